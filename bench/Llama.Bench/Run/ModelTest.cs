using System.Diagnostics;
using Llama.Model;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Bench.Run;

/// <summary>What was measured: the times of the repetitions.</summary>
/// <param name="Test">Such as <c>prefill 512</c> or <c>decode 64 × 8</c>.</param>
/// <param name="Depth">Positions before.</param>
/// <param name="Tokens">Tokens in each repetition.</param>
/// <param name="Sampled">Tokens among them that the output head ran for.</param>
/// <param name="WeightPasses">How many times each repetition went over all weights.</param>
/// <param name="Seconds">Time of each repetition.</param>
internal sealed record TestResult(string Test, int Depth, int Tokens, int Sampled, int WeightPasses, IReadOnlyList<double> Seconds)
{
    /// <summary>Median time, seconds.</summary>
    public double Median => Seconds.Order().ElementAt(Seconds.Count / 2);
}

/// <summary>Runs prompts and generations through all layers of a model, as a stage would.</summary>
internal sealed class ModelTest(ModelConfig config, CpuLayerRange range, int blocksPerSequence)
{
    /// <summary>Time to compute a prompt in steps of the largest size, up to the token that it samples.</summary>
    public async Task<TestResult> PrefillAsync(int tokens, int depth, int repetitions)
    {
        await FillAsync(0, depth, 0);
        List<double> seconds = await RepeatAsync(repetitions, () => FillAsync(depth, tokens, 0));
        return new TestResult($"prefill {tokens}", depth, tokens, 1, (tokens + range.MaxStepTokens - 1) / range.MaxStepTokens, seconds);
    }

    /// <summary>Time in which several sequences generate tokens together, one of each a step.</summary>
    public async Task<TestResult> DecodeAsync(int tokens, int batch, int depth, int repetitions)
    {
        for (int sequence = 0; sequence < batch; sequence++) await FillAsync(0, Math.Max(depth, 1), sequence);
        List<double> seconds = await RepeatAsync(repetitions, async () =>
        {
            for (int i = 0; i < tokens; i++)
            {
                var step = new Step();
                for (int sequence = 0; sequence < batch; sequence++)
                {
                    int position = Math.Max(depth, 1) + i;
                    step.AddSamplingSequence(position, [Token(position)], Table(sequence, position + 1), Greedy, 0, 0);
                }

                await RunAsync(step);
            }
        });
        return new TestResult($"decode {tokens} × {batch}", depth, tokens * batch, tokens * batch, tokens, seconds);
    }

    /// <summary>KV blocks of a sequence that grows to this length.</summary>
    public static int BlocksPerSequence(int positions) => (positions + Step.BlockTokens) / Step.BlockTokens;

    private static SamplingParameters Greedy => new() { Temperature = 0 };

    private static async Task<List<double>> RepeatAsync(int repetitions, Func<Task> test)
    {
        var seconds = new List<double>();
        for (int i = 0; i <= repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            await test();
            if (i > 0) seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        // Away from the range's thread.
        await Task.Yield();
        return seconds;
    }

    private async Task FillAsync(int first, int count, int sequence)
    {
        for (int done = 0; done < count; done += range.MaxStepTokens)
        {
            int[] tokens = [.. Enumerable.Range(first + done, Math.Min(range.MaxStepTokens, count - done)).Select(Token)];
            int end = first + done + tokens.Length;
            var step = new Step();
            if (done + tokens.Length == count) step.AddSamplingSequence(first + done, tokens, Table(sequence, end), Greedy, 0, 0);
            else step.AddSequence(first + done, tokens, Table(sequence, end));
            await RunAsync(step);
        }
    }

    /// <summary>What awaits a step goes on in the range's thread: the next step is there at once, and no time of waking threads is measured.</summary>
    private async Task RunAsync(Step step)
    {
        using StepOutput output = await range.RunAsync(step, range.RentHiddenStates(step.Tokens.Length), CancellationToken.None);
    }

    /// <summary>Any token will do; they differ, so that embeddings are read from everywhere.</summary>
    private int Token(int position) => (int)((uint)position * 2654435761 % (uint)config.VocabSize);

    private int[] Table(int sequence, int positions) =>
        [.. Enumerable.Range(sequence * blocksPerSequence, (positions + Step.BlockTokens - 1) / Step.BlockTokens)];
}
