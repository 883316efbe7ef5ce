// One measurement of llama.cpp through node-llama-cpp: prints tokens/s, the median of three runs after one that does not count.
//
//   node binding.mjs MODEL THREADS PROMPT GENERATE BATCH
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [, , modelPath, ...numbers] = process.argv;
const [threads, prompt, generate, batch] = numbers.map(Number);
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, maxThreads: 0, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const context = await model.createContext({
  sequences: batch,
  contextSize: Math.max(512, prompt, generate + 1),
  batchSize: 512,
  threads: { ideal: threads, min: threads },
});
const sequences = Array.from({ length: batch }, () => context.getSequence());
const vocabulary = [...model.iterateAllTokens()].length;
const token = position => Number(((BigInt(position) * 2654435761n) & 0xffffffffn) % BigInt(vocabulary));

const generateOn = async sequence => {
  let count = 0;
  for await (const _ of sequence.evaluate([token(0)], { temperature: 0, yieldEogToken: true })) if (++count === generate) break;
};
const test = async () => {
  for (const sequence of sequences) await sequence.clearHistory();
  const start = performance.now();
  if (generate === 0) await sequences[0].evaluateWithoutGeneratingNewTokens(Array.from({ length: prompt }, (_, i) => token(i)));
  else await Promise.all(sequences.map(generateOn));
  return ((generate === 0 ? prompt : generate * batch) * 1000) / (performance.now() - start);
};

await test();
const found = [await test(), await test(), await test()].toSorted((a, b) => a - b);
console.log(found[1]);
process.exit(0);
