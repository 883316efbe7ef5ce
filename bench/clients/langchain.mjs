// LangChain's clients of OpenAI, on the server that the first argument names. What they got goes to the standard output as JSON.
import { HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { cityOnly, place, question, weather } from './weather.mjs';

const options = { model: 'test-model', apiKey: 'none', maxRetries: 0, configuration: { baseURL: `${process.argv[2]}/v1` } };
const chat = new ChatOpenAI(options);

const answer = await chat.invoke([new SystemMessage('Be brief.'), new HumanMessage('Hi')]);
const pieces = [];
for await (const part of await chat.stream('Hi')) if (part.content) pieces.push(part.content);
const structured = await chat.withStructuredOutput(place, { name: 'place' }).invoke('Hi');
const refused = await new ChatOpenAI({ ...options, model: 'gpt-5' }).invoke('Hi').catch((error) => [error.status, error.code]);

const getWeather = tool(weather, { name: 'get_weather', description: 'Tells the weather.', schema: cityOnly });
const messages = [new HumanMessage(question)];
let told;
while (true) {
  told = undefined;
  for await (const part of await chat.bindTools([getWeather]).stream(messages)) told = told ? told.concat(part) : part;
  if (!told.tool_calls?.length) break;
  messages.push(told);
  for (const call of told.tool_calls)
    messages.push(new ToolMessage({ tool_call_id: call.id, name: call.name, content: await getWeather.invoke(call.args) }));
}

console.log(JSON.stringify({
  answer: [answer.content, answer.usage_metadata.output_tokens, answer.response_metadata.finish_reason], pieces, structured, refused,
  continued: await new OpenAI(options).invoke('Hi'), vectors: await new OpenAIEmbeddings(options).embedDocuments(['Hi', 'You']), told: told.content,
}));
