using Llama.Model;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Weights;

namespace Llama.Torch.Forward;

/// <summary>
/// Whether a token has the same bits whatever else is in its step, and wherever steps begin, or parts of prompts in one shape. That libraries of products and attention choose
/// their kernels by the shapes alone is no promise of theirs, so it is tried on the very device, with random weights in the widths of the
/// model.
/// </summary>
internal static class SelfTest
{
    private const int Tokens = 20;
    private const int Blocks = 80;

    /// <summary>Positions of the sequences beside the one that is looked at: within its blocks, and far beyond.</summary>
    private static readonly int[] Beside = [3, 40, 600, 1200];

    /// <summary>Runs it, in the calling thread, which has entered the place.</summary>
    /// <param name="model">The model.</param>
    /// <param name="place">Where ranges are to be.</param>
    /// <param name="weightType">Type that weights are stored in.</param>
    /// <param name="kvType">Type that keys and values are kept in.</param>
    public static bool Holds(ModelConfig model, Place place, ElementType weightType, ElementType kvType)
    {
        int blocks = Math.Max(Blocks, 1 + (place.MostRows / Step.BlockTokens));
        ModelConfig config = model with { Layers = 1, ContextLength = Math.Max(model.ContextLength, blocks * Step.BlockTokens) };
        var tensors = RangeTensors.MakeRandom(
            config, place.Device, Place.TypeOf(Place.ComputedType(weightType)), Place.TypeOf(kvType), blocks);
        using var whole = new TorchForward(config, tensors, place);
        if (!HasSameBits(config, whole)) return false;

        // As the first of two layers: so hidden states come out of it, of all tokens.
        using var first = new TorchForward(config with { Layers = 2 }, tensors, place);
        for (int shape = 2 * Step.LeastShape; shape <= place.MostRows && shape / 2 < model.ContextLength; shape *= 2)
        {
            if (!ShapeHasSameBits(config, first, shape)) return false;
        }

        return true;
    }

    /// <summary>Whether passes of always as many rows do.</summary>
    private static bool HasSameBits(ModelConfig config, TorchForward forward)
    {
        float[] together = Run(forward, config, Tokens, []);
        return together.AsSpan().SequenceEqual(Run(forward, config, 1, []))
            && together.AsSpan().SequenceEqual(Run(forward, config, 1, Beside[..1]))
            && together.AsSpan().SequenceEqual(Run(forward, config, 7, Beside));
    }

    /// <summary>Whether a part of a prompt has the same hidden states in two parts of its shape, behind a token of another sequence.</summary>
    private static bool ShapeHasSameBits(ModelConfig config, TorchForward forward, int shape)
    {
        int[] tokens = [.. Enumerable.Range(0, shape).Select(i => (i * 31) % config.VocabSize)];
        int[] table = [.. Enumerable.Range(1, shape / Step.BlockTokens)];
        int cut = (shape / 3) + 1;
        float[] whole = RunPart(0, shape);
        return whole.AsSpan(0, cut * config.Dim).SequenceEqual(RunPart(0, cut)) && whole.AsSpan(cut * config.Dim).SequenceEqual(RunPart(cut, shape));

        unsafe float[] RunPart(int from, int end)
        {
            var step = new Step();
            if (end - from < shape) step.AddSequence(3, [1], [0]);
            step.AddSequence(from, tokens.AsSpan(from, end - from), table);
            step.AddShape(shape);
            using PinnedHiddenStates hidden = PinnedHiddenStates.Rent([], step.Tokens.Length, config.Dim, Step.MaxTokens);
            forward.Begin(step, hidden);
            forward.Compute(0, 1);
            int beside = step.Tokens.Length - (end - from);
            return new ReadOnlySpan<float>(hidden.Pointer + (beside * config.Dim), (end - from) * config.Dim).ToArray();
        }
    }

    /// <summary>Logits of the sequence's tokens, computed in chunks behind one token of each of the others.</summary>
    private static float[] Run(TorchForward forward, ModelConfig config, int chunk, int[] beside)
    {
        var logits = new List<float>();
        var step = new Step();
        for (int first = 0; first < Tokens; first += chunk)
        {
            step.Clear();
            foreach (int position in beside) step.AddSequence(position, [position % config.VocabSize], [.. Enumerable.Range(2, Blocks - 2)]);
            for (int i = first; i < Math.Min(Tokens, first + chunk); i++)
                step.AddSamplingSequence(i, [(i * 31) % config.VocabSize], [1, 0], new SamplingParameters(), 0, 0);
            using PinnedHiddenStates hidden = PinnedHiddenStates.Rent([], step.Tokens.Length, config.Dim);
            forward.Begin(step, hidden);
            forward.Compute(0, 1);
            logits.AddRange(forward.AllLogits);
        }

        return [.. logits];
    }
}
