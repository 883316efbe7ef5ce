using System.Runtime.Intrinsics;
using Llama.Model.Kernels;

namespace Llama.Model.Tests.Kernels;

public sealed class ElementaryTests
{
    [Fact]
    public void Log_NumbersOfAllMagnitudes_AreWithinFewUnits()
    {
        for (double x = 1e-300; x < 1e300; x *= 1.37)
            Assert.Equal(Math.Log(x), Elementary.Log(x), 4e-16 * Math.Max(1, Math.Abs(Math.Log(x))));
        for (double x = 0.5; x < 2; x += 0.0013) Assert.Equal(Math.Log(x), Elementary.Log(x), 4e-16);
        Assert.Equal(0, Elementary.Log(1));
        Assert.Equal(Math.Log(double.Epsilon), Elementary.Log(double.Epsilon), 1e-12);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void Log_NoPositiveFiniteNumber_Throws(double x) => Assert.Throws<ArgumentOutOfRangeException>(() => Elementary.Log(x));

    [Fact]
    public void Exp_NumbersBelow700_AreWithinFewUnits()
    {
        for (double x = -700; x < 700; x += 0.173) Assert.Equal(1, Elementary.Exp(x) / Math.Exp(x), 1e-15);
        Assert.Equal(1, Elementary.Exp(0));
    }

    [Theory]
    [InlineData(0, 10, 0.00037)]
    [InlineData(10, 131_072, 7.713)]
    [InlineData(131_072, 16_777_216, 1234.567)]
    [InlineData(16_777_216, 1_073_741_824, 123_456.789)]
    public void SinCos_AnglesOfEveryMagnitude_AreWithinFewUnits(double first, double end, double step)
    {
        for (double x = first; x < end; x += step)
        {
            foreach (double angle in (double[])[x, -x])
            {
                (double sin, double cos) = SinCos(angle);
                Assert.Equal(Math.Sin(angle), sin, 4e-16);
                Assert.Equal(Math.Cos(angle), cos, 4e-16);
            }
        }
    }

    [Fact]
    public void SinCos_NearMultiplesOfHalfPi_KeepsRelativePrecision()
    {
        // The float nearest to 2^23 × π/2 and others like it: the result is all cancellation.
        foreach (double n in (double[])[1, 2, 3, 4, 1001, 8_388_608, 10_680_707])
        {
            double angle = (float)(n * (Math.PI / 2));
            (double sin, double cos) = SinCos(angle);
            Assert.Equal(1, n % 2 == 0 ? sin / Math.Sin(angle) : cos / Math.Cos(angle), 1e-15);
        }
    }

    /// <summary>One angle among others, in each of the four places.</summary>
    private static (double Sin, double Cos) SinCos(double angle)
    {
        (Vector256<double> sin, Vector256<double> cos) = Elementary.SinCos(Vector256.Create(angle));
        for (int i = 0; i < 4; i++)
        {
            (Vector256<double> sines, Vector256<double> cosines) = Elementary.SinCos(Vector256.Create(1.0, 2, 3, 4).WithElement(i, angle));
            Assert.Equal((sin[i], cos[i]), (sines[i], cosines[i]));
        }

        return (sin[0], cos[0]);
    }
}
