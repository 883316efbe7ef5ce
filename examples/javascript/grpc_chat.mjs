// A question over gRPC, answered as a stream, from the .proto alone:
//   npm install
//   node grpc_chat.mjs localhost:8081 "Tell me a story."
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";

const [address = "localhost:8081", question = "Tell me a story."] = process.argv.slice(2);
const protos = fileURLToPath(new URL("../../protos", import.meta.url));
const definition = loader.loadSync("llama/v1/inference.proto", { includeDirs: [protos], keepCase: true, longs: Number, defaults: true });
const { llama } = grpc.loadPackageDefinition(definition);
const client = new llama.v1.Inference(address, grpc.credentials.createInsecure());

// A call with the same key, here or at another gateway, gives the same answer from its first token: it may be sent again.
const metadata = new grpc.Metadata();
metadata.set("idempotency-key", randomUUID());
if (process.env.LLAMA_API_KEY) metadata.set("authorization", `Bearer ${process.env.LLAMA_API_KEY}`);

const request = { messages: [{ role: "user", content: question }], temperature: 0.7 };
const call = client.Chat(request, metadata, { deadline: Date.now() + 60_000 });
call.on("data", ({ choice, usage }) => {
  if (choice) process.stdout.write(choice.text);
  if (usage) console.log(`\n${usage.prompt_tokens} + ${usage.completion_tokens} tokens`);
});
call.on("error", (error) => {
  console.error(`${grpc.status[error.code]}: ${error.details}`);
  process.exitCode = 1;
});
call.on("close", () => client.close());
