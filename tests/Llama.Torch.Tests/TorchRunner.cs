using Llama.Model;
using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Weights;
using Llama.Torch.Forward;

namespace Llama.Torch.Tests;

/// <summary>Runs a model in this process, its layers cut into ranges, one sequence at a time.</summary>
internal sealed class TorchRunner : IDisposable
{
    private readonly Checkpoint checkpoint;
    private readonly List<TorchForward> ranges = [];

    public TorchRunner(
        string folder, ElementType? weights, ElementType kvType, ILayerOperations operations, int rows = 32, bool repeatsShapes = false, int kvBlocks = 32,
        params int[] cuts)
    {
        BlockTable = [.. Enumerable.Range(0, kvBlocks).Select(i => i * 7 % kvBlocks)];
        checkpoint = Checkpoint.Open(folder, new CheckpointOptions { Weights = weights is { } type ? type : null });
        Place place = TestPlace.With(operations, rows, repeatsShapes);
        place.EnterThread();
        int[] all = [0, .. cuts, checkpoint.Config.Layers];
        for (int i = 0; i + 1 < all.Length; i++)
        {
            ranges.Add(new TorchForward(
                checkpoint.Config, RangeTensors.Load(checkpoint, place, all[i], all[i + 1], kvType, kvBlocks), place));
        }
    }

    public ModelConfig Config => checkpoint.Config;

    /// <summary>The blocks of the sequence; not in order, as a pool would hand them out.</summary>
    public int[] BlockTable { get; }

    /// <summary>Logits at every position, <c>[tokens][vocabSize]</c>, computed in chunks of the given size.</summary>
    public float[][] Logits(IReadOnlyList<int> tokens, int chunk)
    {
        var logits = new List<float[]>();
        for (int first = 0; first < tokens.Count; first += chunk)
        {
            // Each token is a part of its own that samples: so all logits are there.
            var step = new Step { Epoch = 1 };
            for (int i = first; i < Math.Min(tokens.Count, first + chunk); i++)
                step.AddSamplingSequence(i, [tokens[i]], BlockTable, new SamplingParameters(), 0.5, 0);
            logits.AddRange(Logits(step));
        }

        return [.. logits];
    }

    /// <summary>Logits of the sequences of a step that sample.</summary>
    public float[][] Logits(Step step)
    {
        using PinnedHiddenStates hidden = PinnedHiddenStates.Rent([], step.Tokens.Length, Config.Dim, Step.MaxTokens);
        foreach (TorchForward range in ranges)
        {
            range.Begin(step, hidden);
            range.Compute(range.FirstLayer, range.EndLayer);
        }

        return [.. ranges[^1].AllLogits.ToArray().Chunk(Config.VocabSize)];
    }

    public void Dispose()
    {
        foreach (TorchForward range in ranges) range.Dispose();
        checkpoint.Dispose();
    }
}
