// Calls of @grpc/grpc-js to the gateway at an address; prints what came of them as JSON. A seed of 99 has the gateway stop after a token.
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { GrpcReflection } from "grpc-js-reflection-client";
import { fileURLToPath } from "node:url";
import { question, weather, weatherTool } from "./weather.mjs";

const address = process.argv[2];
const credentials = grpc.credentials.createInsecure();
const definition = loadSync("llama/v1/inference.proto", {
  includeDirs: [fileURLToPath(new URL("../../protos", import.meta.url))], keepCase: true, longs: Number, defaults: true,
});
const client = new (grpc.loadPackageDefinition(definition).llama.v1.Inference)(address, credentials);

const stream = (call) => new Promise((resolve) => {
  const answer = { text: "", tokens: [], code: null };
  call.on("data", ({ choice, usage }) => {
    if (usage) answer.usage = [usage.prompt_tokens, usage.completion_tokens];
    if (!choice) return;
    answer.text += choice.text;
    for (const { index, id, name, arguments: more } of choice.tool_calls) {
      answer.calls ??= [];
      answer.calls[index] ??= { id, type: "function", function: { name, arguments: "" } };
      answer.calls[index].function.arguments += more;
    }
    answer.tokens.push(...choice.tokens.map((token) => token.id));
    answer.finish = choice.finish_reason;
  });
  call.on("error", (error) => {
    answer.message = error.details;
    answer.param = error.metadata.get("x-error-param")[0];
  });
  call.on("status", ({ code }) => {
    answer.code = code;
    resolve(answer);
  });
});
const cancelled = async () => {
  const call = client.Generate({ prompt: "Hi", seed: 99 });
  call.once("data", () => call.cancel());
  return (await stream(call)).code;
};
const converse = async () => {
  const { function: { parameters, ...named } } = weatherTool;
  const tools = [{ type: "function", function: { ...named, parameters: JSON.stringify(parameters) } }];
  const messages = [{ role: "user", content: question }];
  while (true) {
    const { text, calls } = await stream(client.Chat({ messages, tools }));
    if (!calls) return text;
    messages.push({ role: "assistant", content: "", tool_calls: calls });
    for (const { id, function: called } of calls)
      messages.push({ role: "tool", tool_call_id: id, content: weather(JSON.parse(called.arguments)) });
  }
};
const health = () => new Promise((resolve, reject) => client.makeUnaryRequest(
  "/grpc.health.v1.Health/Check", (bytes) => bytes, (bytes) => [...bytes], Buffer.alloc(0),
  (error, answer) => (error ? reject(error) : resolve(answer))));

console.log(JSON.stringify({
  generate: await stream(client.Generate({ prompt: "Hi", seed: 7 })),
  chat: await stream(client.Chat({ messages: [{ role: "user", content: "Hi" }], max_tokens: 3 })),
  refused: await stream(client.Generate({ prompt: "Hi", temperature: 3 })),
  deadline: (await stream(client.Generate({ prompt: "Hi", seed: 99 }, { deadline: Date.now() + 500 }))).code,
  cancelled: await cancelled(),
  told: await converse(),
  health: await health(),
  services: await new GrpcReflection(address, credentials).listServices(),
}));
client.close();
