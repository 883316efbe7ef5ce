using System.Diagnostics;
using Llama.Model;
using Llama.Model.Kernels;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Torch.Forward;
using static TorchSharp.torch;

namespace Llama.Tools.GpuCheck;

/// <summary>How fast tokens are decoded and prompts computed with random weights, keys and values in BF16, and what of that is not the device's work.</summary>
internal static class Speed
{
    private const int MostSequences = 64;
    private const double Seconds = 2;
    private static readonly int[] Contexts = [128, 2048];

    /// <summary>Prints a table.</summary>
    public static void Report(string profile, string name, ModelConfig config, Place place, MachineRates rates)
    {
        int blocks = MostSequences * ((Contexts.Max() / Step.BlockTokens) + 1);
        var calls = new RecordedCalls(place.Operations);
        using var forward = new TorchForward(
            config, RangeTensors.MakeRandom(config, place.Device, ScalarType.BFloat16, ScalarType.BFloat16, blocks),
            place with { Operations = calls });
        double limit = rates.BytesPerSecond / forward.WeightBytes;
        Console.WriteLine();
        Console.WriteLine($"| {profile} | |");
        Console.WriteLine("| --- | --- |");
        Console.WriteLine($"| weights, {name} shape in BF16 | {forward.WeightBytes / 1e9:0.00} GB; reading them {limit:0.0} times a second is the memory's limit |");
        Console.WriteLine($"| a prompt of {Step.MaxTokens} tokens | {Step.MaxTokens / PromptSeconds(forward, config, place):0} tokens/s |");
        Console.WriteLine();
        Console.WriteLine("| sequences | context | tokens/s | of the memory's limit | beside the bare call |");
        Console.WriteLine("| --- | --- | --- | --- | --- |");
        foreach (int context in Contexts)
        {
            foreach (int sequences in (int[])[1, 8, MostSequences])
            {
                (double whole, double bare) = Measure(forward, config, place, calls, sequences, context);
                Console.WriteLine(
                    $"| {sequences} | {context} | {sequences / whole:0.0} | {1 / whole / limit:P0} | {(whole / bare) - 1:+0.0%;-0.0%} |");
            }
        }
    }

    /// <summary>Seconds a step as the backend runs it, and of the same calls alone, in turns; the fastest of each.</summary>
    private static (double Whole, double Bare) Measure(
        TorchForward forward, ModelConfig config, Place place, RecordedCalls calls, int sequences, int context)
    {
        var step = new Step();
        int blocks = (context / Step.BlockTokens) + 1;
        for (int i = 0; i < sequences; i++)
        {
            int[] table = [.. Enumerable.Range(i * blocks, blocks)];
            step.AddSamplingSequence(context, [(i * 7) + 1], table, new SamplingParameters { Temperature = 0 }, 0, 0);
        }

        using PinnedHiddenStates hidden = PinnedHiddenStates.Rent([], sequences, config.Dim);
        int passes = (sequences + place.Rows - 1) / place.Rows;
        double whole = double.MaxValue, bare = double.MaxValue;
        long started = Stopwatch.GetTimestamp();
        do
        {
            whole = Math.Min(whole, Time(() =>
            {
                forward.Begin(step, hidden);
                forward.Compute(0, config.Layers);
                forward.Sample()!.Dispose();
            }));
            bare = Math.Min(bare, passes * Time(calls.Again));
        }
        while (Stopwatch.GetElapsedTime(started).TotalSeconds < Seconds);
        return (whole, bare);
    }

    /// <summary>Seconds that a prompt takes in the longest steps that there are; the second time.</summary>
    private static double PromptSeconds(TorchForward forward, ModelConfig config, Place place)
    {
        int[] tokens = [.. Enumerable.Range(1, Step.MaxTokens)];
        int[] table = [.. Enumerable.Range(0, Step.MaxTokens / Step.BlockTokens)];
        using PinnedHiddenStates hidden = PinnedHiddenStates.Rent([], place.MaxStepTokens, config.Dim, Step.MaxTokens);
        Run();
        return Time(Run);

        void Run()
        {
            for (int first = 0; first < tokens.Length; first += place.MaxStepTokens)
            {
                var step = new Step();
                step.AddSamplingSequence(first, tokens.AsSpan(first, place.MaxStepTokens), table, new SamplingParameters { Temperature = 0 }, 0, 0);
                forward.Begin(step, hidden);
                forward.Compute(0, config.Layers);
                forward.Sample()!.Dispose();
            }
        }
    }

    private static double Time(Action work)
    {
        long start = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
