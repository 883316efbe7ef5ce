// OpenAI's client, on /v1/responses of the server that the first argument names. What it got goes to the standard output as JSON.
import OpenAI from 'openai';
import { parameters, question, weather } from './weather.mjs';

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: 'none', maxRetries: 0 });
const model = 'test-model';

const first = await client.responses.create({ model, input: 'Hi', instructions: 'Be brief.' });
const kept = await client.responses.retrieve(first.id);

const types = [];
const stream = client.responses.stream({ model, input: [{ role: 'user', content: 'Ho' }], previous_response_id: first.id });
for await (const event of stream) types.push(event.type);
const streamed = await stream.finalResponse();

await client.responses.delete(first.id);
const gone = await client.responses.retrieve(first.id).catch((error) => error.status);
const refused = await client.responses.create({ model, input: 'Hi', truncation: 'auto' }).catch((error) => [error.status, error.param]);

const tools = [{ type: 'function', name: 'get_weather', parameters, strict: false }];
const asked = await client.responses.stream({ model, input: question, tools }).finalResponse();
const call = asked.output.find((item) => item.type === 'function_call');
const told = await client.responses.create({
  model, tools, previous_response_id: asked.id, input: [{ type: 'function_call_output', call_id: call.call_id, output: weather(JSON.parse(call.arguments)) }],
});

console.log(JSON.stringify({
  text: first.output_text, same: JSON.stringify(kept.output) === JSON.stringify(first.output), usage: first.usage.output_tokens, types,
  streamed: [streamed.status, streamed.output_text, streamed.previous_response_id === first.id], gone, refused, called: [call.name, call.arguments], told: told.output_text,
}));
