using System.Runtime.Intrinsics;
using Llama.Model.Kernels;

namespace Llama.Model.Tests.Kernels;

public sealed unsafe class ExponentialTests
{
    // Bits of the floats from 1e-9, below which e^x rounds to 1, to the ends of the range. The stride is odd: mantissas vary in all bits.
    private const int Smallest = 0x3089705f;
    private const int Stride = 1021;

    [Fact]
    public void Exp_FloatsOfTheWholeRange_AreWithinOneUnitInTheLastPlace()
    {
        Assert.InRange(WorstError(88.7f), 0, 1);
        Assert.InRange(WorstError(-87.3f), 0, 1);
    }

    [Fact]
    public void Exp_RisingNumbers_NeverFalls()
    {
        float previous = 0;
        for (int bits = BitConverter.SingleToInt32Bits(87.3f); bits >= Smallest; bits -= Stride)
            previous = Rise(previous, -BitConverter.Int32BitsToSingle(bits));
        for (int bits = Smallest; bits <= BitConverter.SingleToInt32Bits(88.7f); bits += Stride)
            previous = Rise(previous, BitConverter.Int32BitsToSingle(bits));
    }

    [Fact]
    public void Exp_NeighboursWhereTheReductionSteps_NeverFall()
    {
        for (int n = -125; n <= 127; n++)
        {
            float x = (float)((n + 0.5) * Math.Log(2));
            for (int i = 0; i < 200; i++) x = MathF.BitDecrement(x);
            float previous = 0;
            for (int i = 0; i < 400; i++, x = MathF.BitIncrement(x)) previous = Rise(previous, x);
        }
    }

    [Theory]
    [InlineData(0f, 1f)]
    [InlineData(float.Epsilon, 1f)]
    [InlineData(-87.30001f, 0f)]
    [InlineData(-1e30f, 0f)]
    [InlineData(float.NegativeInfinity, 0f)]
    [InlineData(float.NaN, float.NaN)]
    public void Exp_SpecialNumber_IsExact(float x, float expected) => Assert.Equal(expected, Exp(x));

    [Theory]
    [InlineData(88.8f)]
    [InlineData(1e30f)]
    [InlineData(float.PositiveInfinity)]
    public void Exp_TooGreatNumber_IsThatOfTheGreatestAllowed(float x)
    {
        Assert.True(float.IsFinite(Exp(88.7f)));
        Assert.Equal(Exp(88.7f), Exp(x));
    }

    [Fact]
    public void Exp_NegativeZero_IsOne() => Assert.Equal(1, Exp(-0f));

    [Fact]
    public void Exp_SmallestAllowedNumber_IsNotSubnormal() => Assert.True(float.IsNormal(Exp(-87.3f)));

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(29)]
    [InlineData(1000)]
    public void ExpAndSum_AnyCount_ReplacesTheValuesAndReturnsTheirSum(int count)
    {
        var random = new Random(count);
        float[] values = [.. Enumerable.Range(0, count + 1).Select(_ => (float)((random.NextDouble() * 20) - 10))];
        float[] results = [.. values];
        float sum;
        fixed (float* pointer = results) sum = Exponential.ExpAndSum(pointer, pointer, count, 10, 0.25f);

        double expected = 0;
        for (int i = 0; i < count; i++)
        {
            Assert.Equal(Exp((values[i] - 10) * 0.25f), results[i]);
            expected += results[i];
        }

        Assert.Equal(values[count], results[count]);
        Assert.Equal(expected, sum, expected * 1e-6);
    }

    /// <summary>The greatest distance from the true value, in units of the last place, from near 0 to an end of the range.</summary>
    private static double WorstError(float end)
    {
        double worst = 0;
        for (int bits = Smallest; bits <= BitConverter.SingleToInt32Bits(MathF.Abs(end)); bits += Stride)
        {
            float x = MathF.CopySign(BitConverter.Int32BitsToSingle(bits), end);
            double expected = Math.Exp(x);
            double unit = MathF.BitIncrement((float)expected) - (double)(float)expected;
            worst = Math.Max(worst, Math.Abs(Exp(x) - expected) / unit);
        }
        return worst;
    }

    private static float Rise(float previous, float x)
    {
        float result = Exp(x);
        Assert.True(result >= previous, $"e^{x:R} is {result:R}, that of a smaller number {previous:R}");
        return result;
    }

    private static float Exp(float x) => Exponential.Exp(Vector256.Create(x)).GetElement(5);
}
