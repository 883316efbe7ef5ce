using System.Collections.Concurrent;
using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Weights;

namespace Llama.Model.Tests.Layers;

/// <summary>Runs a model in this process, its layers cut into ranges as a cluster would have them, one sequence at a time.</summary>
internal sealed unsafe class ForwardRunner : IDisposable
{
    private const int KvBlocks = 32;

    private readonly Checkpoint checkpoint;
    private readonly List<CpuForward> ranges = [];
    private readonly ConcurrentBag<PinnedHiddenStates> pool = [];

    public ForwardRunner(
        string folder, IReadOnlyList<int> cuts, int threads = 1, CheckpointOptions? options = null, ElementType kvType = ElementType.F32)
    {
        checkpoint = Checkpoint.Open(folder, options ?? new CheckpointOptions());
        for (int i = 0; i + 1 < cuts.Count; i++) ranges.Add(new CpuForward(checkpoint, cuts[i], cuts[i + 1], kvType, KvBlocks, threads));
    }

    public ModelConfig Config => checkpoint.Config;

    /// <summary>The blocks of the sequence; not in order, as a pool would hand them out.</summary>
    public int[] BlockTable { get; } = [.. Enumerable.Range(0, KvBlocks).Select(i => (i * 7 % KvBlocks))];

    /// <summary>How many layers a checkpoint has.</summary>
    public static int LayersOf(string folder)
    {
        using Checkpoint checkpoint = Checkpoint.Open(folder, new CheckpointOptions());
        return checkpoint.Config.Layers;
    }

    /// <summary>Every way to cut the layers into one to <paramref name="most"/> ranges, as lists of boundaries.</summary>
    public static IEnumerable<int[]> Cuts(int layers, int most) =>
        Enumerable.Range(0, 1 << (layers - 1))
            .Select(mask => (int[])[0, .. Enumerable.Range(1, layers - 1).Where(i => (mask >> (i - 1) & 1) == 1), layers])
            .Where(cut => cut.Length - 1 <= most);

    /// <summary>Logits at every position, <c>[tokens][vocabSize]</c>, computed in chunks of the given size.</summary>
    public float[][] Logits(IReadOnlyList<int> tokens, int chunk)
    {
        var logits = new List<float[]>();
        for (int first = 0; first < tokens.Count; first += chunk)
        {
            int[] part = [.. tokens.Skip(first).Take(chunk)];
            var step = new Step { Epoch = 1 };
            step.AddSequence(first, part, BlockTable);
            using PinnedHiddenStates hidden = PinnedHiddenStates.Rent(pool, part.Length, Config.Dim);
            foreach (CpuForward range in ranges)
            {
                range.Begin(step, hidden);
                range.Compute(range.FirstLayer, range.EndLayer, everyPosition: true);
            }

            for (int i = 0; i < part.Length; i++) logits.Add(ranges[^1].Head!.Logits(hidden.Pointer, i).ToArray());
        }

        return [.. logits];
    }

    /// <summary>Copies all weights to where products read them fastest.</summary>
    /// <returns>In how many turns.</returns>
    public int Repack()
    {
        int turns = 0;
        foreach (CpuForward range in ranges)
        {
            while (range.Repack()) turns++;
        }

        return turns;
    }

    /// <summary>Runs a step through all ranges; the tokens stay as they are, being given back to nobody.</summary>
    public SampledTokens Run(Step step)
    {
        using PinnedHiddenStates hidden = PinnedHiddenStates.Rent(pool, Math.Max(1, step.Tokens.Length), Config.Dim);
        SampledTokens? sampled = null;
        foreach (CpuForward range in ranges) sampled = range.Run(step, hidden);
        return sampled!;
    }

    /// <summary>Generates tokens by argmax: the prompt in one step, then one token a step.</summary>
    public int[] Greedy(IReadOnlyList<int> prompt, int count)
    {
        var tokens = new List<int>(prompt);
        int done = 0;
        while (tokens.Count < prompt.Count + count)
        {
            var step = new Step { Epoch = 1 };
            step.AddSamplingSequence(done, tokens.Skip(done).ToArray(), BlockTable, new SamplingParameters { Temperature = 0 }, 0, 0);
            done = tokens.Count;
            tokens.Add(Run(step)[0].Sampled.Token);
        }

        return [.. tokens.Skip(prompt.Count)];
    }

    public void Dispose()
    {
        foreach (CpuForward range in ranges) range.Dispose();
        checkpoint.Dispose();
    }
}
