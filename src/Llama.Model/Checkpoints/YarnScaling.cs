using Llama.Model.Kernels;

namespace Llama.Model.Checkpoints;

/// <summary>
/// YaRN's scaling of the rotary frequencies (Peng et al., "YaRN: Efficient Context Window Extension of Large Language Models", 2023):
/// pairs that turn often within the original context keep their frequency, those that turn seldom are stretched by the factor, and a
/// linear ramp over the pairs lies between. transformers 5 and llama.cpp compute the ramp alike.
/// </summary>
internal sealed record YarnScaling
{
    /// <summary>The greatest number of rotations within the original context; pairs that turn more often are kept.</summary>
    public const double MostRotations = 1e6;

    /// <summary>How far slow pairs are stretched.</summary>
    public required double Factor { get; init; }

    /// <summary>The context length in tokens before scaling.</summary>
    public required int OriginalContext { get; init; }

    /// <summary>Rotations within the original context from which on a pair is kept.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>Rotations within the original context up to which a pair is stretched fully.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>Whether the ends of the ramp are whole pairs.</summary>
    public bool Truncate { get; init; } = true;

    /// <summary>What each frequency is divided by.</summary>
    /// <param name="file">The configuration file, for messages.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="theta">Base of the frequencies.</param>
    /// <exception cref="CheckpointException">The base is at most 1: no pair turns slower than another.</exception>
    public RopeFactors Factors(string file, int headDim, double theta)
    {
        if (theta <= 1) throw new CheckpointException($"{file}: found {theta} as base of the rotary frequencies, expected more than 1 for YaRN");
        double low = PairOf(BetaFast), high = PairOf(BetaSlow);
        if (Truncate) (low, high) = (Math.Floor(low), Math.Ceiling(high));
        low = Math.Max(low, 0);
        high = Math.Min(high, headDim - 1);
        float[] factors = new float[headDim / 2];
        for (int pair = 0; pair < factors.Length; pair++)
        {
            double stretched = Math.Clamp((pair - low) / Math.Max(high - low, 0.001), 0, 1);
            factors[pair] = (float)(1 / ((stretched / Factor) + (1 - stretched)));
        }

        return new RopeFactors(factors);

        // Not whole: the pair that turns so often within the original context.
        double PairOf(double rotations) =>
            headDim * Elementary.Log(OriginalContext / (rotations * 2 * Math.PI)) / (2 * Elementary.Log(theta));
    }

    /// <summary>What cosines and sines grow by when frequencies are stretched, 1 where they are not.</summary>
    /// <param name="factor">How far they are stretched.</param>
    /// <param name="scale">1, or a model's own weight of it.</param>
    public static double Magnitude(double factor, double scale = 1) => factor <= 1 ? 1 : (0.1 * scale * Elementary.Log(factor)) + 1;
}
