// Measures Llama.Bench and llama.cpp on the same GGUF files, in turns, and prints medians and their ratio.
//
//   node compare.mjs --model FILE [--model FILE ...] [--threads 1,2] [--prompt 512] [--generate 64] [--batch 8] [--rounds 5]
//                    [--instructions auto|avx2|avx512] [--ours COMMAND] [--llama-cpp FOLDER | --binding]
//
// llama.cpp runs as its own llama-bench and llama-batched-bench from a folder, by default that of a build beside this file, or, with --binding,
// inside node-llama-cpp.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join, basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
  options: {
    model: { type: "string", multiple: true },
    threads: { type: "string", default: "1,2" },
    prompt: { type: "string", default: "512" },
    generate: { type: "string", default: "64" },
    batch: { type: "string", default: "8" },
    rounds: { type: "string", default: "5" },
    ours: { type: "string", default: `dotnet ${join(here, "../Llama.Bench/bin/Release/net10.0/Llama.Bench.dll")}` },
    instructions: { type: "string", default: "auto" },
    "llama-cpp": { type: "string", default: join(here, "llama.cpp/build/bin") },
    binding: { type: "boolean", default: false },
  },
});
if (!options.model) {
  console.error("--model is missing: a GGUF file. Llama.Bench make and convert write some.");
  process.exit(2);
}

if (!options.binding && !existsSync(join(options["llama-cpp"], "llama-bench"))) {
  console.error(`${options["llama-cpp"]} has no llama-bench: build one there (docs/performance.md), or name a folder, or --binding.`);
  process.exit(2);
}

const run = (command, args) => {
  const result = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26, timeout: 600_000 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${result.error ?? result.stderr.slice(-2000)}`);
  return result.stdout;
};

const instructions = new Set();

// What llama.cpp was built for, as its build folder says.
const built = () => {
  const cache = join(options["llama-cpp"], "../CMakeCache.txt");
  if (options.binding) return "the binaries of node-llama-cpp";
  if (!existsSync(cache)) return "unknown";
  const on = [...readFileSync(cache, "utf8").matchAll(/^GGML_(NATIVE|AVX\w*|FMA|F16C|BMI2):BOOL=ON$/gm)].map(match => match[1]);
  return on.includes("NATIVE") ? "this very processor" : on.join(" ");
};

const ours = (model, test) => {
  const [command, ...first] = options.ours.split(" ");
  const args = [...first, "run", "--model", model, "--threads", test.threads, "--repetitions", "3", "--json",
    "--prompt", test.prompt, "--generate", test.generate, "--batch", test.batch, "--instructions", options.instructions];
  const result = JSON.parse(run(command, args).trim().split("\n").at(-1));
  instructions.add(result.instructions);
  return result.tokensPerSecond;
};

const binding = (model, test) =>
  Number(run(process.execPath, [join(here, "binding.mjs"), model, test.threads, test.prompt, test.generate, test.batch]));

const native = (model, test) => {
  const tool = name => join(options["llama-cpp"], name);
  if (test.batch === "1") {
    const rows = JSON.parse(run(tool("llama-bench"), ["-m", model, "-t", test.threads, "-ngl", "0", "-r", "3", "-o", "json",
      "-p", test.prompt, "-n", test.generate]));
    return rows[0].avg_ts;
  }
  const context = String((Number(test.generate) + 1) * Number(test.batch));
  const lines = run(tool("llama-batched-bench"), ["-m", model, "-t", test.threads, "-tb", test.threads, "-ngl", "0", "-c", context,
    "-npp", "1", "-ntg", test.generate, "-npl", test.batch, "--output-format", "jsonl"]).trim().split("\n");
  return JSON.parse(lines.filter(line => line.startsWith("{")).at(-1)).speed_tg;
};

const theirs = options.binding ? binding : native;
const median = numbers => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const tests = threads => [
  ["prefill " + options.prompt, { threads, prompt: options.prompt, generate: "0", batch: "1" }],
  ["decode × 1", { threads, prompt: "0", generate: options.generate, batch: "1" }],
  ["decode × " + options.batch, { threads, prompt: "0", generate: options.generate, batch: options.batch }],
];

console.log("| file | threads | test | ours, tokens/s | llama.cpp, tokens/s | ratio |\n| --- | --- | --- | --- | --- | --- |");
for (const model of options.model) {
  for (const threads of options.threads.split(",")) {
    for (const [name, test] of tests(threads)) {
      const found = { ours: [], theirs: [] };
      for (let round = 0; round < Number(options.rounds); round++) {
        found.ours.push(ours(model, test));
        found.theirs.push(theirs(model, test));
      }
      const [a, b] = [median(found.ours), median(found.theirs)];
      console.log(`| ${basename(model)} | ${threads} | ${name} | ${a.toFixed(1)} | ${b.toFixed(1)} | ${(a / b).toFixed(2)} |`);
    }
  }
}

console.log(`\n${cpus()[0].model}; ours with ${[...instructions].join(" and ")}, llama.cpp built for ${built()}; medians of ${options.rounds}.`);
