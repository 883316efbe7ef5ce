// Ollama's client, on the server that the first argument names. What it got goes to the standard output as JSON.
import { Ollama } from 'ollama';
import { question, weather, weatherTool } from './weather.mjs';

const client = new Ollama({ host: process.argv[2] });
const model = 'test-model';
const messages = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Hi' }];

const listed = (await client.list()).models[0];
const loaded = (await client.ps()).models[0];
const shown = await client.show({ model });
const answer = await client.chat({ model, messages, options: { seed: 5, num_predict: 3, stop: ['!'] } });

const pieces = [];
let last;
for await (const part of await client.chat({ model: `${model}:latest`, messages, stream: true })) {
  if (part.message.content) pieces.push(part.message.content);
  last = part;
}

const continued = [];
for await (const part of await client.generate({ model, prompt: 'Hi', stream: true })) continued.push(part.response);
const structured = await client.chat({ model, messages, format: { type: 'object', properties: { city: { type: 'string' } } } });
const anyJson = await client.generate({ model, prompt: 'Hi', format: 'json' });
const vectors = await client.embed({ model, input: ['Hi', 'You'] });
const refused = await client.chat({ model: 'llama3.2', messages }).catch((error) => [error.constructor.name, error.status_code, error.message]);

async function converse(stream) {
  const history = [{ role: 'user', content: question }];
  while (true) {
    const asked = { model, messages: history, tools: [weatherTool], stream };
    const message = { role: 'assistant', content: '', tool_calls: [] };
    for await (const part of stream ? await client.chat(asked) : [await client.chat(asked)]) {
      message.content += part.message.content;
      message.tool_calls.push(...(part.message.tool_calls ?? []));
    }

    if (message.tool_calls.length === 0) return message.content;
    history.push(message);
    for (const call of message.tool_calls)
      history.push({ role: 'tool', tool_name: call.function.name, content: weather(call.function.arguments) });
  }
}

console.log(JSON.stringify({
  models: [listed.name, loaded.model, shown.details.family, shown.capabilities],
  answer: [answer.message.content, answer.done_reason, answer.eval_count], pieces, streamed: [last.done, last.done_reason, last.eval_count],
  continued: continued.join(''), structured: JSON.parse(structured.message.content), anyJson: JSON.parse(anyJson.response),
  vectors: vectors.embeddings, refused, told: [await converse(false), await converse(true)],
}));
