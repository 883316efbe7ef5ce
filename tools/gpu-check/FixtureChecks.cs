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
        using TorchForward forward = Load(checkpoint, type, 0, checkpoint.Config.Layers);
        float[] logits = Run(checkpoint, tokens, 0, tokens.Length, forward);
        float[] expected = [.. golden.SelectMany(row => row)];
        return expected.Zip(logits, (e, f) => Math.Abs(e - f)).Max() / (expected.Max() - expected.Min());
    }

    /// <summary>
    /// Whether tokens have the same bits after the second of two ranges was lost and rebuilt in other parts of a prompt and of what was decoded, in their
    /// shapes.
    /// </summary>
    public bool RecoversWithTheSameBits(ElementType type)
    {
        const int Prompt = 100, End = 120;
        int[] tokens = [.. Enumerable.Range(0, End + 1).Select(i => i * 17 % 100)];
        using Checkpoint checkpoint = Open(type);
        int layers = checkpoint.Config.Layers, shape = Step.ShapeOf(Prompt);
        using TorchForward first = Load(checkpoint, type, 0, 1);
        using TorchForward undisturbed = Load(checkpoint, type, 1, layers);
        RunPart(checkpoint, tokens, 0, Prompt, shape, first, undisturbed);
        for (int i = Prompt; i < End; i++) RunPart(checkpoint, tokens, i, i + 1, Step.LeastShape, first, undisturbed);
        using TorchForward rebuilt = Load(checkpoint, type, 1, layers);
        RunPart(checkpoint, tokens, 0, 48, shape, first, rebuilt);
        RunPart(checkpoint, tokens, 48, Prompt, shape, first, rebuilt);
        RunPart(checkpoint, tokens, Prompt, End, Step.LeastShape, first, rebuilt);
        float[] expected = RunPart(checkpoint, tokens, End, End + 1, Step.LeastShape, first, undisturbed);
        return expected.AsSpan().SequenceEqual(RunPart(checkpoint, tokens, End, End + 1, Step.LeastShape, first, rebuilt));
    }

    private static float[] RunPart(Checkpoint checkpoint, int[] tokens, int from, int end, int shape, params TorchForward[] ranges)
    {
        var step = new Step();
        step.AddSamplingSequence(from, tokens.AsSpan(from, end - from), Table, new SamplingParameters(), 0, 0);
        step.AddShape(shape);
        return Run(checkpoint, step, ranges);
    }

    private static float[] Run(Checkpoint checkpoint, int[] tokens, int from, int count, params TorchForward[] ranges)
    {
        var step = new Step();
        for (int i = from; i < from + count; i++) step.AddSamplingSequence(i, [tokens[i]], Table, new SamplingParameters(), 0, 0);
        return Run(checkpoint, step, ranges);
    }

    private static float[] Run(Checkpoint checkpoint, Step step, TorchForward[] ranges)
    {
        using PinnedHiddenStates hidden = PinnedHiddenStates.Rent([], step.Tokens.Length, checkpoint.Config.Dim);
        foreach (TorchForward range in ranges)
        {
            range.Begin(step, hidden);
            range.Compute(range.FirstLayer, range.EndLayer);
        }

        return ranges[^1].AllLogits.ToArray();
    }

    private Checkpoint Open(ElementType type) =>
        Checkpoint.Open(Path.Combine(folder, "hf"), new CheckpointOptions { Weights = type });

    private TorchForward Load(Checkpoint checkpoint, ElementType type, int firstLayer, int endLayer) => new(
        checkpoint.Config, RangeTensors.Load(checkpoint, place, firstLayer, endLayer, type == ElementType.F32 ? ElementType.F32 : ElementType.BF16, Blocks), place);
}
