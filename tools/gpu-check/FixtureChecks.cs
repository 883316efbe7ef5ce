using System.Text.Json;
using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Weights;
using Llama.Torch.Forward;

namespace Llama.Tools.GpuCheck;

/// <summary>Checks with a small model whose logits are known.</summary>
/// <param name="folder">The fixture: <c>golden.json</c>, and the checkpoint in <c>hf</c>.</param>
/// <param name="place">Where it is computed.</param>
internal sealed class FixtureChecks(string folder, Place place)
{
    private const int Blocks = 8;
    private static readonly int[] Table = [3, 1, 2, 0, 5, 4, 7, 6];

    /// <summary>Largest error of a logit, as a share of the logits' spread.</summary>
    public double Error(ElementType type)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "golden.json")));
        int[] tokens = json.RootElement.GetProperty("tokens").Deserialize<int[]>()!;
        float[][] golden = json.RootElement.GetProperty("logits").Deserialize<float[][]>()!;
        using Checkpoint checkpoint = Open(type);
        using TorchForward forward = Load(checkpoint, 0, checkpoint.Config.Layers);
        float[] logits = Run(checkpoint, tokens, 0, tokens.Length, forward);
        float[] expected = [.. golden.SelectMany(row => row)];
        return expected.Zip(logits, (e, f) => Math.Abs(e - f)).Max() / (expected.Max() - expected.Min());
    }

    /// <summary>Whether tokens have the same bits after the second of two ranges was lost and rebuilt in other steps.</summary>
    public bool RecoversWithTheSameBits(ElementType type)
    {
        int[] tokens = [.. Enumerable.Range(0, 60).Select(i => i * 17 % 100)];
        using Checkpoint checkpoint = Open(type);
        int layers = checkpoint.Config.Layers;
        using TorchForward first = Load(checkpoint, 0, 1);
        using TorchForward undisturbed = Load(checkpoint, 1, layers);
        for (int i = 0; i < 50; i++) Run(checkpoint, tokens, i, 1, first, undisturbed);
        using TorchForward rebuilt = Load(checkpoint, 1, layers);
        Run(checkpoint, tokens, 0, 50, first, rebuilt);
        float[] expected = Run(checkpoint, tokens, 50, 1, first, undisturbed);
        return expected.AsSpan().SequenceEqual(Run(checkpoint, tokens, 50, 1, first, rebuilt));
    }

    private static float[] Run(Checkpoint checkpoint, int[] tokens, int from, int count, params TorchForward[] ranges)
    {
        var step = new Step();
        for (int i = from; i < from + count; i++) step.AddSamplingSequence(i, [tokens[i]], Table, new SamplingParameters(), 0, 0);
        using PinnedHiddenStates hidden = PinnedHiddenStates.Rent([], count, checkpoint.Config.Dim);
        foreach (TorchForward range in ranges)
        {
            range.Begin(step, hidden);
            range.Compute(range.FirstLayer, range.EndLayer);
        }

        return ranges[^1].Logits.ToArray();
    }

    private Checkpoint Open(ElementType type) =>
        Checkpoint.Open(Path.Combine(folder, "hf"), new CheckpointOptions { Weights = type });

    private TorchForward Load(Checkpoint checkpoint, int firstLayer, int endLayer) => new(
        checkpoint.Config, RangeTensors.Load(checkpoint, place, firstLayer, endLayer, ElementType.F32, Blocks), place);
}
