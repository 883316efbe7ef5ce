using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Kernels;

/// <summary>e^x in single precision by our own polynomial, the same bits on every processor.</summary>
internal static unsafe class Exponential
{
    /// <summary>
    /// e^x, within 1 unit in the last place; 0 below -87.3 (no subnormal results), that of 88.7 above, NaN for NaN. Cody and Waite's
    /// reduction x = n·ln 2 + r with |r| ≤ ln 2 / 2 ("Software Manual for the Elementary Functions", 1980), then the Taylor
    /// polynomial of degree 7 by Horner's rule.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Exp(Vector256<float> x)
    {
        // Comparisons are false for NaN, which stays as it is. What comes of the numbers that are too small does not count.
        Vector256<float> most = Vector256.Create(88.7f);
        Vector256<float> tooSmall = Vector256.LessThan(x, Vector256.Create(-87.3f));
        x = Vector256.ConditionalSelect(Vector256.GreaterThan(x, most), most, x);

        // Adding 1.5 × 2^23 rounds to an integer, ties to even, and leaves it in the low bits of the mantissa.
        Vector256<float> magic = Vector256.Create(12582912f);
        Vector256<float> shifted = Vector256.FusedMultiplyAdd(x, Vector256.Create(1.44269504f), magic);
        Vector256<float> n = shifted - magic;
        Vector256<float> r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-0.693145752f), x);
        r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-1.42860677e-6f), r);

        Vector256<float> p = Vector256.Create(1f / 5040);
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 720));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 120));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 24));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 6));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(0.5f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256<float>.One);
        p = Vector256.FusedMultiplyAdd(p, r, Vector256<float>.One);

        // n is at most 128: half of it goes into each of two factors, because 2^128 is no float.
        Vector256<int> exponent = shifted.AsInt32() - magic.AsInt32();
        Vector256<int> half = exponent >> 1;
        Vector256<float> result = p * PowerOfTwo(half) * PowerOfTwo(exponent - half);
        return Vector256.AndNot(result, tooSmall);
    }

    /// <summary>The same for sixteen; see <see cref="Exp(Vector256{float})"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        // Comparisons are false for NaN, which stays as it is. What comes of the numbers that are too small does not count.
        Vector512<float> most = Vector512.Create(88.7f);
        Vector512<float> tooSmall = Vector512.LessThan(x, Vector512.Create(-87.3f));
        x = Vector512.ConditionalSelect(Vector512.GreaterThan(x, most), most, x);

        // Adding 1.5 × 2^23 rounds to an integer, ties to even, and leaves it in the low bits of the mantissa.
        Vector512<float> magic = Vector512.Create(12582912f);
        Vector512<float> shifted = Vector512.FusedMultiplyAdd(x, Vector512.Create(1.44269504f), magic);
        Vector512<float> n = shifted - magic;
        Vector512<float> r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-0.693145752f), x);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-1.42860677e-6f), r);

        Vector512<float> p = Vector512.Create(1f / 5040);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 720));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 120));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 24));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 6));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(0.5f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);

        // n is at most 128: half of it goes into each of two factors, because 2^128 is no float.
        Vector512<int> exponent = shifted.AsInt32() - magic.AsInt32();
        Vector512<int> half = exponent >> 1;
        Vector512<float> result = p * PowerOfTwo(half) * PowerOfTwo(exponent - half);
        return Vector512.AndNot(result, tooSmall);
    }

    /// <summary>Writes e^((source[i] - shift) × scale) and returns the sum, in canonical lanes.</summary>
    /// <param name="source">The numbers.</param>
    /// <param name="target">Receives as many; may be the source.</param>
    /// <param name="count">How many numbers.</param>
    /// <param name="shift">Subtracted first.</param>
    /// <param name="scale">A factor of the difference.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float ExpAndSum(float* source, float* target, int count, float shift, float scale)
    {
        Vector256<float> shifts = Vector256.Create(shift);
        Vector256<float> scales = Vector256.Create(scale);
        Vector256<float> lanes = Vector256<float>.Zero;
        int i = 0;
        for (; Instructions.AreWide && i <= count - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            Vector512<float> e = Exp((Vector512.Load(source + i) - Vector512.Create(shift)) * Vector512.Create(scale));
            e.Store(target + i);
            lanes += e.GetLower();
            lanes += e.GetUpper();
        }

        for (; i <= count - Lanes.Count; i += Lanes.Count)
        {
            Vector256<float> e = Exp((Vector256.Load(source + i) - shifts) * scales);
            e.Store(target + i);
            lanes += e;
        }

        if (i < count)
        {
            int rest = count - i;
            Lanes.StorePartial(Exp((Lanes.LoadPartial(source + i, rest) - shifts) * scales), target + i, rest);
            lanes += Lanes.LoadPartial(target + i, rest);
        }

        return Lanes.Sum(lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> PowerOfTwo(Vector256<int> n) => ((n + Vector256.Create(127)) << 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> PowerOfTwo(Vector512<int> n) => ((n + Vector512.Create(127)) << 23).AsSingle();
}
