using System.Globalization;
using Llama.Grains.Settings;
using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.Layers;
using Llama.Model.Weights;

namespace Llama.Bench.Run;

/// <summary><c>Llama.Bench run</c>: prefill and decode in this process.</summary>
internal static class RunCommand
{
    private const long LimitBytes = 512L << 20;
    private const int LimitRepetitions = 7;

    /// <summary>Runs all tests and prints a row for each as it is done.</summary>
    /// <exception cref="CheckpointException">The model cannot be used.</exception>
    public static async Task RunAsync(RunOptions options, TextWriter output)
    {
        Instructions.Choose(options.Instructions);
        ElementType kvType = KvTypeAttribute.Parse(options.KvType);
        IReadOnlyList<int> depths = RunOptions.List(options.Depth);
        IReadOnlyList<int> prompts = [.. RunOptions.List(options.Prompt).Where(prompt => prompt > 0)];
        IReadOnlyList<int> batches = RunOptions.List(options.Batch);
        int positions = depths.Max() + Math.Max(prompts.DefaultIfEmpty(0).Max(), options.Generate + 1);
        int blocksPerSequence = ModelTest.BlocksPerSequence(positions);

        // Speed does not depend on the context that the model was trained with.
        using Checkpoint checkpoint = Checkpoint.Open(options.Model, new CheckpointOptions { ContextLength = positions });
        if (!options.Json)
        {
            await output.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture,
                $"{options.Model}: {checkpoint.WeightName}, KV {kvType}, {checkpoint.Config.Layers} layers, dim {checkpoint.Config.Dim}, {Instructions.Chosen}"));
            await output.WriteLineAsync("threads  test             depth   tokens/s (min … max)          GB/s  of limit   GFLOP/s  of limit");
        }

        foreach (int threads in RunOptions.List(options.Threads))
        {
            MachineRates limits = await MachineRates.MeasureAsync(threads, null, LimitBytes, LimitRepetitions);
            await using CpuLayerRange range =
                CpuLayerRange.Load(checkpoint, 0, checkpoint.Config.Layers, kvType, blocksPerSequence * batches.Max(), threads);
            while (!range.IsRepacked) await Task.Delay(TimeSpan.FromMilliseconds(10));
            var test = new ModelTest(checkpoint.Config, range, blocksPerSequence);
            var report = new RunReport(checkpoint.Config, kvType, threads, range.StepBytes, limits);
            foreach (int depth in depths)
            {
                foreach (int prompt in prompts)
                    Print(await test.PrefillAsync(prompt, depth, options.Repetitions));
                if (options.Generate == 0) continue;
                foreach (int batch in batches)
                    Print(await test.DecodeAsync(options.Generate, batch, depth, options.Repetitions));
            }

            void Print(TestResult result) => output.WriteLine(options.Json ? report.Json(result) : report.Row(result));
        }

        if (!options.Json)
            await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"peak resident memory {RunReport.PeakMegabytes():N0} MB"));
    }
}
