using Llama.Model;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Weights;

namespace Llama.Torch.Forward;

/// <summary>
/// Whether a token has the same bits whatever else is in its step, and wherever steps begin. That libraries of products and attention choose
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
    public static bool HasSameBits(ModelConfig model, Place place, ElementType weightType, ElementType kvType)
    {
        ModelConfig config = model with { Layers = 1, ContextLength = Math.Max(model.ContextLength, Blocks * Step.BlockTokens) };
        var tensors = RangeTensors.MakeRandom(
            config, place.Device, Place.TypeOf(Place.ComputedType(weightType)), Place.TypeOf(kvType), Blocks);
        using var forward = new TorchForward(config, tensors, place);
        float[] together = Run(forward, config, Tokens, []);
        return together.AsSpan().SequenceEqual(Run(forward, config, 1, []))
            && together.AsSpan().SequenceEqual(Run(forward, config, 1, Beside[..1]))
            && together.AsSpan().SequenceEqual(Run(forward, config, 7, Beside));
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
