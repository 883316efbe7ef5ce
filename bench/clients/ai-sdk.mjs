// The AI SDK with its provider for OpenAI's API, on the server that the first argument names. What it got goes to the standard output as JSON.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embedMany, generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { cityOnly, place, question, weather } from './weather.mjs';

const provider = createOpenAICompatible({
  name: 'llama', baseURL: `${process.argv[2]}/v1`, apiKey: 'none', includeUsage: true, supportsStructuredOutputs: true,
});
const request = { model: provider('test-model'), maxRetries: 0 };

const answer = await generateText({ ...request, system: 'Be brief.', prompt: 'Hi', seed: 5, maxOutputTokens: 3 });
const stream = streamText({ ...request, prompt: 'Hi' });
const pieces = [];
for await (const piece of stream.textStream) pieces.push(piece);
const structured = await generateText({ ...request, prompt: 'Hi', output: Output.object({ schema: place }) });
const vectors = await embedMany({ model: provider.textEmbeddingModel('test-model'), values: ['Hi', 'You'], maxRetries: 0 });
const refused = await generateText({ ...request, model: provider('gpt-5'), prompt: 'Hi' }).catch((error) => [error.statusCode, error.message]);

const tools = { get_weather: tool({ description: 'Tells the weather.', inputSchema: cityOnly, execute: weather }) };
const tooled = { ...request, prompt: question, tools, stopWhen: stepCountIs(3) };

console.log(JSON.stringify({
  answer: [answer.text, answer.finishReason, answer.usage.outputTokens], pieces, streamed: [await stream.finishReason, (await stream.usage).outputTokens],
  structured: structured.output, vectors: vectors.embeddings, refused, told: [(await generateText(tooled)).text, await streamText(tooled).text],
}));
