// A conversation of two rounds with a tool: node tools.mjs CLIENT URL. Prints what the model says in the end as JSON, with what the tool
// was called with.
import process from "node:process";

const [client, url] = process.argv.slice(2);
const baseURL = `${url}/v1`;
const question = "What is the weather in Köln?";
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const called = [];

function weather({ city }) {
  called.push(city);
  return `17 degrees in ${city}`;
}

async function openai(stream) {
  const { default: OpenAI } = await import("openai");
  const api = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
  const tools = [{ type: "function", function: { name: "get_weather", description: "Tells the weather.", parameters } }];
  const messages = [{ role: "user", content: question }];
  while (true) {
    const request = { model: "test-model", messages, tools };
    const answer = stream
      ? await api.chat.completions.stream(request).finalChatCompletion()
      : await api.chat.completions.create(request);
    const { message, finish_reason: finish } = answer.choices[0];
    if (finish !== "tool_calls") return message.content;
    messages.push(message);
    for (const call of message.tool_calls)
      messages.push({ role: "tool", tool_call_id: call.id, content: weather(JSON.parse(call.function.arguments)) });
  }
}

async function langchain() {
  const { ChatOpenAI } = await import("@langchain/openai");
  const { HumanMessage, ToolMessage } = await import("@langchain/core/messages");
  const { tool } = await import("@langchain/core/tools");
  const { z } = await import("zod");
  const getWeather = tool(weather, { name: "get_weather", description: "Tells the weather.", schema: z.object({ city: z.string() }) });
  const model = new ChatOpenAI({ model: "test-model", apiKey: "none", maxRetries: 0, configuration: { baseURL } }).bindTools([getWeather]);
  const messages = [new HumanMessage(question)];
  while (true) {
    let answer;
    for await (const part of await model.stream(messages)) answer = answer ? answer.concat(part) : part;
    if (!answer.tool_calls?.length) return answer.content;
    messages.push(answer);
    for (const call of answer.tool_calls)
      messages.push(new ToolMessage({ tool_call_id: call.id, name: call.name, content: await getWeather.invoke(call.args) }));
  }
}

async function aiSdk() {
  const { generateText, stepCountIs, tool } = await import("ai");
  const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
  const { z } = await import("zod");
  const provider = createOpenAICompatible({ name: "llama", baseURL, apiKey: "none" });
  const { text } = await generateText({
    model: provider("test-model"),
    prompt: question,
    tools: { get_weather: tool({ description: "Tells the weather.", inputSchema: z.object({ city: z.string() }), execute: weather }) },
    stopWhen: stepCountIs(3),
    maxRetries: 0,
  });
  return text;
}

const clients = { openai: () => openai(false), "openai-stream": () => openai(true), langchain, "ai-sdk": aiSdk };
const text = await clients[client]();
process.stdout.write(JSON.stringify({ text, called }));
