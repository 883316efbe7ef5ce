// Encodes texts with another tokenizer: JSON lists of texts on standard input, of token ids on standard output.
//
//   node encode.mjs sentencepiece tokenizer.model
//   node encode.mjs tiktoken tokenizer.model PATTERN
//   node encode.mjs tokenizers tokenizer.json
//   node encode.mjs llama.cpp model.gguf
import { readFileSync } from "node:fs";

const [, , kind, file, pattern] = process.argv;
const encoders = {
  async sentencepiece() {
    const { SentencePieceProcessor } = await import("sentencepiece-js");
    const processor = new SentencePieceProcessor();
    await processor.load(file);
    return text => Array.from(processor.encodeIds(text));
  },
  async tiktoken() {
    const { Tiktoken } = await import("tiktoken");
    const lines = readFileSync(file, "utf8").trim().split("\n");
    const encoder = new Tiktoken(`! 0 ${lines.map(line => line.split(" ")[0]).join(" ")}`, {}, pattern);
    return text => Array.from(encoder.encode_ordinary(text));
  },
  async tokenizers() {
    const { Tokenizer } = await import("tokenizers");
    const tokenizer = Tokenizer.fromFile(file);
    return async text => (await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds();
  },
  async "llama.cpp"() {
    const { getLlama, LlamaLogLevel } = await import("node-llama-cpp");
    const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: LlamaLogLevel.error });
    const model = await llama.loadModel({ modelPath: file, gpuLayers: 0, vocabOnly: true });
    return text => model.tokenize(text, false);
  },
};

const input = [];
for await (const chunk of process.stdin) input.push(chunk);
const encode = await encoders[kind]();
const ids = [];
for (const text of JSON.parse(Buffer.concat(input).toString("utf8"))) ids.push(await encode(text));
process.stdout.write(JSON.stringify(ids), () => process.exit(0));
