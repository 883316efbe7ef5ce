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
    /// Sine and cosine. The angle is reduced by multiples of π/2 held in three parts; the products are fused, because those of a large
    /// multiple are no doubles. Good to |x| below 2^30, far beyond any position.
    /// </summary>
    public static (double Sin, double Cos) SinCos(double x)
    {
        double n = Math.Round(x * 0.636619772367581343076);
        double r = Math.FusedMultiplyAdd(-n, 1.57079632673412561417, x);
        r = Math.FusedMultiplyAdd(-n, 6.07710050630396597660e-11, r);
        r = Math.FusedMultiplyAdd(-n, 2.02226624879595063154e-21, r);
        double square = r * r;
        double sin = 1;
        for (int k = 20; k >= 2; k -= 2) sin = 1 - (sin * square / (k * (k + 1)));
        sin *= r;
        double cos = 1;
        for (int k = 21; k >= 1; k -= 2) cos = 1 - (cos * square / (k * (k + 1)));
        return ((long)n & 3) switch
        {
            0 => (sin, cos),
            1 => (cos, -sin),
            2 => (-sin, -cos),
            _ => (-cos, sin),
        };
    }
}
