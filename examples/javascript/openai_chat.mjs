// A question by OpenAI's package, answered as a stream:
//   npm install
//   node openai_chat.mjs http://localhost:8080/v1 "Tell me a story."
import OpenAI from "openai";

const [address = "http://localhost:8080/v1", question = "Tell me a story."] = process.argv.slice(2);
const client = new OpenAI({ baseURL: address, apiKey: process.env.LLAMA_API_KEY ?? "none" });
const model = (await client.models.list()).data[0].id;

const stream = await client.chat.completions.create({
  model,
  messages: [{ role: "user", content: question }],
  temperature: 0.7,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const { choices, usage } of stream) {
  process.stdout.write(choices[0]?.delta.content ?? "");
  if (usage) console.log(`\n${usage.prompt_tokens} + ${usage.completion_tokens} tokens`);
}
