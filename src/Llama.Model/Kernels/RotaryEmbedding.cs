using System.Runtime.Intrinsics;

namespace Llama.Model.Kernels;

/// <summary>
/// Rotary position embedding (Su et al., "RoFormer", 2021): pair i of a head at position p turns by <c>p × theta^(-2i / headDim)</c>;
/// Llama 3.1's models scale the frequencies first.
/// </summary>
internal sealed unsafe class RotaryEmbedding
{
    // In whole vectors; those beyond the last pair are zero.
    private readonly float[] frequencies;
    private readonly RotaryLayout layout;
    private readonly double magnitude;

    /// <summary>Computes the frequencies of a model.</summary>
    public RotaryEmbedding(ModelConfig config)
    {
        layout = config.RotaryLayout;
        magnitude = config.RopeMagnitude;
        Pairs = config.HeadDim / 2;
        frequencies = new float[(Pairs + 3) / 4 * 4];
        double logTheta = Elementary.Log(config.RopeTheta);
        for (int i = 0; i < Pairs; i++)
        {
            double frequency = Elementary.Exp(-2.0 * i / config.HeadDim * logTheta);
            if (config.RopeScaling is { } scaling) frequency = Scale(frequency, scaling);
            if (config.RopeFactors is { } factors) frequency /= factors[i];
            frequencies[i] = (float)frequency;
        }
    }

    /// <summary>What a model's scaling divides each frequency by, <c>[headDim / 2]</c>; null where it has none.</summary>
    public static RopeFactors? FactorsOf(ModelConfig config)
    {
        if (config.RopeScaling is not { } scaling) return config.RopeFactors;
        double logTheta = Elementary.Log(config.RopeTheta);
        float[] factors = new float[config.HeadDim / 2];
        for (int i = 0; i < factors.Length; i++)
        {
            double frequency = Elementary.Exp(-2.0 * i / config.HeadDim * logTheta);
            factors[i] = (float)(frequency / Scale(frequency, scaling));
        }

        return new RopeFactors(factors);
    }

    /// <summary>Pairs in a head.</summary>
    public int Pairs { get; }

    /// <summary>
    /// Cosines and sines of one position, times the model's magnitude. The angle is a product of two single-precision numbers rounded once, as in the released
    /// models' own code, so that long contexts see the angles that they were trained with.
    /// </summary>
    /// <param name="position">Position in the sequence, from 0.</param>
    /// <param name="cosines">Written, <c>[headDim / 2]</c>.</param>
    /// <param name="sines">Written, <c>[headDim / 2]</c>.</param>
    public void Angles(int position, float* cosines, float* sines)
    {
        for (int i = 0; i < Pairs; i += Vector128<float>.Count)
        {
            (Vector128<double> lower, Vector128<double> upper) =
                Vector128.Widen(Vector128.LoadUnsafe(ref frequencies[i]) * (float)position);
            (Vector256<double> sin, Vector256<double> cos) = Elementary.SinCos(Vector256.Create(lower, upper));
            Store(cos, cosines, i);
            Store(sin, sines, i);
        }
    }

    /// <summary>Stores those of four pairs from one on, or of as many as there are.</summary>
    private void Store(Vector256<double> numbers, float* target, int first)
    {
        numbers *= magnitude;
        Vector128<float> four = Vector128.Narrow(numbers.GetLower(), numbers.GetUpper());
        if (first + Vector128<float>.Count <= Pairs) four.Store(target + first);
        else for (int i = first; i < Pairs; i++) target[i] = four.GetElement(i - first);
    }

    /// <summary>Turns one head in place.</summary>
    public void Rotate(float* head, float* cosines, float* sines)
    {
        if (layout == RotaryLayout.AdjacentPairs) RotateNeighbours(head, cosines, sines);
        else RotateHalves(head, cosines, sines);
    }

    private void RotateNeighbours(float* head, float* cosines, float* sines)
    {
        int i = 0;
        for (; i <= Pairs - 4; i += 4, head += 8)
        {
            // Four cosines and sines, each for two lanes; real parts subtract the sine's product.
            Vector256<float> cosine = Twice(Vector128.Load(cosines + i));
            Vector256<float> sine = Twice(Vector128.Load(sines + i)) ^ Vector256.Create(-0f, 0, -0f, 0, -0f, 0, -0f, 0);
            Vector256<float> x = Vector256.Load(head);
            Vector256<float> swapped = Vector256.Shuffle(x, Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6));
            Vector256.FusedMultiplyAdd(x, cosine, swapped * sine).Store(head);
        }

        for (; i < Pairs; i++, head += 2) RotatePair(head, head + 1, cosines[i], sines[i]);
    }

    private void RotateHalves(float* head, float* cosines, float* sines)
    {
        int i = 0;
        for (; i <= Pairs - Lanes.Count; i += Lanes.Count)
        {
            Vector256<float> cosine = Vector256.Load(cosines + i), sine = Vector256.Load(sines + i);
            Vector256<float> real = Vector256.Load(head + i), imaginary = Vector256.Load(head + Pairs + i);
            Vector256.FusedMultiplyAdd(real, cosine, -(imaginary * sine)).Store(head + i);
            Vector256.FusedMultiplyAdd(imaginary, cosine, real * sine).Store(head + Pairs + i);
        }

        for (; i < Pairs; i++) RotatePair(head + i, head + Pairs + i, cosines[i], sines[i]);
    }

    private static void RotatePair(float* real, float* imaginary, float cosine, float sine)
    {
        float re = *real, im = *imaginary;
        *real = MathF.FusedMultiplyAdd(re, cosine, -(im * sine));
        *imaginary = MathF.FusedMultiplyAdd(im, cosine, re * sine);
    }

    private static Vector256<float> Twice(Vector128<float> four) => Vector256.Shuffle(
        Vector256.Create(four, four), Vector256.Create(0, 0, 1, 1, 2, 2, 3, 3));

    /// <summary>
    /// Llama 3.1's scaling, from Meta's reference code (llama-models, <c>apply_scaling</c>): wavelengths beyond
    /// <c>original / low</c> are stretched by the factor, those within <c>original / high</c> kept, and between them interpolated.
    /// </summary>
    private static double Scale(double frequency, RopeScaling scaling)
    {
        double wavelength = 2 * Math.PI / frequency;
        if (wavelength < scaling.OriginalContext / (double)scaling.HighFrequencyFactor) return frequency;
        if (wavelength > scaling.OriginalContext / (double)scaling.LowFrequencyFactor) return frequency / scaling.Factor;
        double smooth = ((scaling.OriginalContext / wavelength) - scaling.LowFrequencyFactor)
            / (scaling.HighFrequencyFactor - scaling.LowFrequencyFactor);
        return ((1 - smooth) * frequency / scaling.Factor) + (smooth * frequency);
    }
}
