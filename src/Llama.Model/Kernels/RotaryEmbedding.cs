namespace Llama.Model.Kernels;

/// <summary>
/// Rotary position embedding (Su et al., "RoFormer", 2021): pair i of a head at position p turns by <c>p × theta^(-2i / headDim)</c>;
/// Llama 3.1's models scale the frequencies first.
/// </summary>
internal sealed unsafe class RotaryEmbedding
{
    private readonly float[] frequencies;
    private readonly RotaryLayout layout;

    /// <summary>Computes the frequencies of a model.</summary>
    public RotaryEmbedding(ModelConfig config)
    {
        layout = config.RotaryLayout;
        frequencies = new float[config.HeadDim / 2];
        double logTheta = Elementary.Log(config.RopeTheta);
        for (int i = 0; i < frequencies.Length; i++)
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
    public int Pairs => frequencies.Length;

    /// <summary>
    /// Cosines and sines of one position. The angle is a product of two single-precision numbers rounded once, as in the released
    /// models' own code, so that long contexts see the angles that they were trained with.
    /// </summary>
    /// <param name="position">Position in the sequence, from 0.</param>
    /// <param name="cosines">Written, <c>[headDim / 2]</c>.</param>
    /// <param name="sines">Written, <c>[headDim / 2]</c>.</param>
    public void Angles(int position, float* cosines, float* sines)
    {
        for (int i = 0; i < frequencies.Length; i++)
        {
            (double sin, double cos) = Elementary.SinCos((float)position * frequencies[i]);
            cosines[i] = (float)cos;
            sines[i] = (float)sin;
        }
    }

    /// <summary>Turns one head in place.</summary>
    public void Rotate(float* head, float* cosines, float* sines)
    {
        bool adjacent = layout == RotaryLayout.AdjacentPairs;
        int step = adjacent ? 2 : 1;
        int distance = adjacent ? 1 : frequencies.Length;
        for (int i = 0; i < frequencies.Length; i++)
        {
            float* real = head + (i * step);
            float* imaginary = real + distance;
            float re = *real;
            float im = *imaginary;
            *real = MathF.FusedMultiplyAdd(re, cosines[i], -(im * sines[i]));
            *imaginary = MathF.FusedMultiplyAdd(re, sines[i], im * cosines[i]);
        }
    }

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
