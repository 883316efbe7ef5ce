using Llama.Model.Kernels;

namespace Llama.Model.Tests.Kernels;

public sealed unsafe class RotaryEmbeddingTests
{
    private static readonly int[] Positions = [0, 1, 2, 77, 2047, 8191, 65_537, 131_071];

    [Theory]
    [InlineData(10_000)]
    [InlineData(500_000)]
    [InlineData(1_000_000)]
    public void Angles_PlainFrequencies_AreTheFormula(double theta) =>
        AnglesAreThose(RotaryModels.Plain(128, theta), pair => Math.Pow(theta, -2.0 * pair / 128));

    [Theory]
    [InlineData(64, 32)]
    [InlineData(128, 8)]
    public void Angles_ScaledAsInLlama3_AreTheFormula(int headDim, int factor)
    {
        ModelConfig config = RotaryModels.Llama31(headDim);
        AnglesAreThose(config with { RopeScaling = config.RopeScaling! with { Factor = factor } }, pair => Scaled(headDim, factor, pair));
    }

    [Fact]
    public void Angles_ScaledAsInLlama31_KeepStretchAndInterpolateTheReleasedModelsPairs()
    {
        // Of the 64 pairs of a released 3.1 model, wavelengths below 2048 are kept, above 8192 stretched eightfold; six lie between.
        int[] kept = [.. Enumerable.Range(0, 64).Where(pair => Ratio(pair) == 1)];
        int[] stretched = [.. Enumerable.Range(0, 64).Where(pair => Math.Abs(Ratio(pair) - 8) < 1e-5)];
        Assert.Equal(Enumerable.Range(0, 29), kept);
        Assert.Equal(Enumerable.Range(35, 29), stretched);
        for (int pair = 29; pair < 35; pair++) Assert.InRange(Ratio(pair), Ratio(pair - 1) + 1e-3, Ratio(pair + 1) - 1e-3);

        double Ratio(int pair) => SineAtOne(RotaryModels.Plain(128, 500_000), pair) / SineAtOne(RotaryModels.Llama31(128), pair);
    }

    [Theory]
    [InlineData(RotaryLayout.AdjacentPairs)]
    [InlineData(RotaryLayout.Halves)]
    public void Rotate_EitherLayout_TurnsThePairsThatItNames(RotaryLayout layout)
    {
        const int HeadDim = 12;
        var rotary = new RotaryEmbedding(RotaryModels.Plain(HeadDim, 10_000, layout));
        Assert.Equal(6, rotary.Pairs);
        float[] head = [.. Enumerable.Range(0, HeadDim).Select(i => (i * 0.7f) - 3)];
        float[] turned = [.. head, 99];
        float[] cosines = new float[6];
        float[] sines = new float[6];
        fixed (float* h = turned, c = cosines, s = sines)
        {
            rotary.Angles(5, c, s);
            rotary.Rotate(h, c, s);
        }

        for (int pair = 0; pair < 6; pair++)
        {
            (int real, int imaginary) = layout == RotaryLayout.AdjacentPairs ? (2 * pair, (2 * pair) + 1) : (pair, pair + 6);
            double angle = 5 * Math.Pow(10_000, -2.0 * pair / HeadDim);
            Assert.Equal((head[real] * Math.Cos(angle)) - (head[imaginary] * Math.Sin(angle)), turned[real], 1e-6);
            Assert.Equal((head[real] * Math.Sin(angle)) + (head[imaginary] * Math.Cos(angle)), turned[imaginary], 1e-6);
        }

        Assert.Equal(99, turned[HeadDim]);
    }

    [Fact]
    public void Rotate_PositionZero_ChangesNothing()
    {
        var rotary = new RotaryEmbedding(RotaryModels.Llama31(8));
        float[] head = [1, -2, 3, -4, 5, -6, 7, -8];
        float[] angles = new float[8];
        fixed (float* h = head, a = angles)
        {
            rotary.Angles(0, a, a + 4);
            rotary.Rotate(h, a, a + 4);
        }

        Assert.Equal([1, -2, 3, -4, 5, -6, 7, -8], head);
    }

    /// <summary>Meta's <c>apply_scaling</c> (llama-models) with the constants of the released 3.1 and 3.2 models.</summary>
    private static double Scaled(int headDim, int factor, int pair)
    {
        double frequency = Math.Pow(500_000, -2.0 * pair / headDim);
        double wavelength = 2 * Math.PI / frequency;
        if (wavelength < 8192 / 4.0) return frequency;
        if (wavelength > 8192 / 1.0) return frequency / factor;
        double smooth = ((8192 / wavelength) - 1) / (4 - 1);
        return ((1 - smooth) * (frequency / factor)) + (smooth * frequency);
    }

    private static void AnglesAreThose(ModelConfig config, Func<int, double> frequency)
    {
        var rotary = new RotaryEmbedding(config);
        float[] cosines = new float[rotary.Pairs];
        float[] sines = new float[rotary.Pairs];
        foreach (int position in Positions)
        {
            fixed (float* c = cosines, s = sines) rotary.Angles(position, c, s);
            for (int pair = 0; pair < rotary.Pairs; pair++)
            {
                // Frequency and angle are single-precision numbers, as in the models' own code.
                float angle = position * (float)frequency(pair);
                Assert.Equal(Math.Cos(angle), cosines[pair], 1e-7);
                Assert.Equal(Math.Sin(angle), sines[pair], 1e-7);
            }
        }
    }

    private static double SineAtOne(ModelConfig config, int pair)
    {
        var rotary = new RotaryEmbedding(config);
        float[] angles = new float[2 * rotary.Pairs];
        fixed (float* a = angles) rotary.Angles(1, a, a + rotary.Pairs);
        return Math.Asin(angles[rotary.Pairs + pair]);
    }
}
