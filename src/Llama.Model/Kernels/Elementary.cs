using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Kernels;

/// <summary>
/// Logarithm, exponential, sine and cosine in double precision, from operations that IEEE 754 rounds exactly, so that tables made
/// with them (rotary frequencies and angles) have the same bits on every platform. Errors are a few units of 1e-16.
/// </summary>
internal static class Elementary
{
    private const double Ln2High = 0.693147180369123816490;
    private const double Ln2Low = 1.90821492927058770002e-10;

    /// <summary>Natural logarithm of a positive, finite number: x = m·2^e, ln m = 2·artanh((m - 1) / (m + 1)).</summary>
    public static double Log(double x)
    {
        if (!(x > 0) || double.IsInfinity(x)) throw new ArgumentOutOfRangeException(nameof(x), x, "expected a positive, finite number");
        int exponent = Math.ILogB(x);
        double mantissa = Math.ScaleB(x, -exponent);
        if (mantissa > 1.4142135623730951)
        {
            mantissa /= 2;
            exponent++;
        }

        double s = (mantissa - 1) / (mantissa + 1);
        double square = s * s;
        double sum = 0;
        for (int k = 23; k >= 1; k -= 2) sum = (sum * square) + (1.0 / k);
        return (exponent * Ln2High) + ((exponent * Ln2Low) + (2 * s * sum));
    }

    /// <summary>e^x for |x| below 700.</summary>
    public static double Exp(double x)
    {
        double n = Math.Round(x / 0.693147180559945309417);
        double r = x - (n * Ln2High) - (n * Ln2Low);
        double sum = 1;
        for (int k = 18; k >= 1; k--) sum = 1 + (sum * r / k);
        return Math.ScaleB(sum, (int)n);
    }

    /// <summary>
    /// Sines and cosines of four angles. An angle is reduced by multiples of π/2 held in three parts; the products are fused, because those of a large
    /// multiple are no doubles. Good to |x| below 2^30, far beyond any position.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (Vector256<double> Sin, Vector256<double> Cos) SinCos(Vector256<double> x)
    {
        Vector256<double> one = Vector256<double>.One;
        Vector256<double> n = Vector256.Round(x * 0.636619772367581343076);
        Vector256<double> r = Vector256.FusedMultiplyAdd(-n, Vector256.Create(1.57079632673412561417), x);
        r = Vector256.FusedMultiplyAdd(-n, Vector256.Create(6.07710050630396597660e-11), r);
        r = Vector256.FusedMultiplyAdd(-n, Vector256.Create(2.02226624879595063154e-21), r);
        Vector256<double> square = r * r, sin = one, cos = one;
        for (int k = 20; k >= 2; k -= 2) sin = one - (sin * square / Vector256.Create((double)(k * (k + 1))));
        sin *= r;
        for (int k = 21; k >= 1; k -= 2) cos = one - (cos * square / Vector256.Create((double)(k * (k + 1))));

        // Adding 1.5 × 2^52 leaves the integer in the low bits. Quadrants 1 and 3 exchange the two; sines are negative in 2 and 3, cosines in 1 and 2.
        Vector256<long> quadrant = (n + Vector256.Create(6755399441055744.0)).AsInt64(), bit = Vector256<long>.One;
        Vector256<double> odd = Vector256.Equals(quadrant & bit, bit).AsDouble();
        Vector256<double> sinSign = (((quadrant >> 1) & bit) << 63).AsDouble(), cosSign = ((((quadrant + bit) >> 1) & bit) << 63).AsDouble();
        return (Vector256.ConditionalSelect(odd, cos, sin) ^ sinSign, Vector256.ConditionalSelect(odd, sin, cos) ^ cosSign);
    }
}
