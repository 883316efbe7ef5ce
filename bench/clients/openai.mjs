// OpenAI's client, on all but /v1/responses of the server that the first argument names. What it got goes to the standard output as JSON. A seed
// of 99 has the gateway stop after a token.
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { place, question, weather, weatherTool } from './weather.mjs';

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: 'none', maxRetries: 0 });
const model = 'test-model';
const request = { model, messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Hi' }] };

const answer = await client.chat.completions.create({ ...request, n: 2, seed: 5, logprobs: true, top_logprobs: 0, stop: '!' });

const pieces = [];
let usage;
for await (const part of await client.chat.completions.create({ ...request, max_completion_tokens: 3, stream: true, stream_options: { include_usage: true } })) {
  if (part.choices[0]?.delta.content) pieces.push(part.choices[0].delta.content);
  usage = part.usage?.completion_tokens ?? usage;
}

const left = await client.chat.completions.create({ ...request, seed: 99, stream: true });
for await (const _ of left) break;

const parsed = await client.chat.completions.parse({ ...request, response_format: zodResponseFormat(place, 'place') });
const continued = await client.completions.create({ model, prompt: 'Hi', max_tokens: 4 });
const vectors = await client.embeddings.create({ model, input: ['Hi', 'You'] });
const refused = await client.chat.completions.create({ ...request, model: 'gpt-5' }).catch((error) => [error.constructor.name, error.code, error.param]);

async function converse(stream) {
  const messages = [{ role: 'user', content: question }];
  while (true) {
    const asked = { model, messages, tools: [weatherTool] };
    const { message, finish_reason: finish } = (stream
      ? await client.chat.completions.stream(asked).finalChatCompletion()
      : await client.chat.completions.create(asked)).choices[0];
    if (finish !== 'tool_calls') return message.content;
    messages.push(message);
    for (const call of message.tool_calls)
      messages.push({ role: 'tool', tool_call_id: call.id, content: weather(JSON.parse(call.function.arguments)) });
  }
}

console.log(JSON.stringify({
  models: [(await client.models.list()).data.map((one) => one.id), (await client.models.retrieve(model)).id],
  choices: answer.choices.map((choice) => [choice.index, choice.message.content, choice.finish_reason, choice.logprobs.content.length, choice.seed]),
  pieces, usage, parsed: parsed.choices[0].message.parsed, continued: [continued.choices[0].text, continued.choices[0].finish_reason],
  vectors: vectors.data.map((one) => one.embedding), refused, told: [await converse(false), await converse(true)],
}));
