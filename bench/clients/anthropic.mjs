// Anthropic's client, on /v1/messages of the server that the first argument names. What it got goes to the standard output as JSON.
import Anthropic from '@anthropic-ai/sdk';
import { parameters, weather } from './weather.mjs';

const client = new Anthropic({ baseURL: process.argv[2], apiKey: 'none', maxRetries: 0 });
const request = { model: 'test-model', max_tokens: 20, system: 'Be brief.', messages: [{ role: 'user', content: 'Hi' }] };

const message = await client.messages.create({ ...request, stop_sequences: ['lo'] });

const types = [];
const stream = client.messages.stream(request);
stream.on('streamEvent', (event) => types.push(event.type));
const streamed = await stream.finalMessage();

const counted = await client.messages.countTokens({ model: request.model, system: request.system, messages: request.messages });
const refused = await client.messages.create({ ...request, model: 'claude' }).catch((error) => [error.status, error.error.error.type, error.constructor.name]);

const tooled = { ...request, max_tokens: 200, tools: [{ name: 'get_weather', input_schema: parameters }], tool_choice: { type: 'auto' } };
const asked = await client.messages.stream(tooled).finalMessage();
const use = asked.content.find((block) => block.type === 'tool_use');
const told = await client.messages.create({
  ...tooled,
  messages: [
    ...request.messages, { role: 'assistant', content: asked.content },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: weather(use.input) }] },
  ],
});

console.log(JSON.stringify({
  content: message.content, stop: [message.stop_reason, message.stop_sequence], types,
  streamed: [streamed.content, streamed.stop_reason, streamed.usage.output_tokens], counted: counted.input_tokens, refused, called: [asked.stop_reason, use.name, use.input], told: told.content,
}));
