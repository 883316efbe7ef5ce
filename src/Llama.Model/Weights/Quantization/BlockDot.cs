using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

/// <summary>Products of a block of 256 elements with signed bytes, as <see cref="IRowFormat.Dot"/> has them.</summary>
internal static unsafe class BlockDot
{
    private const int Parts = 8;

    /// <summary>By the format's integers, part after part.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> OfIntegers<T>(byte* block, sbyte* x)
        where T : struct, IBlockFormat
    {
        Vector256<int> sum = Vector256<int>.Zero;
        for (int part = 0; part < Parts; part++, x += BlockRows.PartElements)
        {
            T.Integers(block, part, out Vector256<short> first, out Vector256<short> second);
            sum += SmallIntegers.MultiplyAddPairs(first, SmallIntegers.Widen(Vector128.Load(x)));
            sum += SmallIntegers.MultiplyAddPairs(second, SmallIntegers.Widen(Vector128.Load(x + 16)));
        }

        return sum;
    }

    /// <summary>
    /// By the products of each part's levels, neighbours added, four of whose sums fit 16 bits, and a factor for each half of a part: the
    /// first half's elements are the lower half of a vector.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> OfHalfParts(
        Vector128<sbyte> factors,
        Vector256<short> v0,
        Vector256<short> v1,
        Vector256<short> v2,
        Vector256<short> v3,
        Vector256<short> v4,
        Vector256<short> v5,
        Vector256<short> v6,
        Vector256<short> v7)
    {
        Vector128<sbyte> first = Vector128.Shuffle(factors, Vector128.Create(0, 0, 2, 2, 4, 4, 6, 6, 1, 1, 3, 3, 5, 5, 7, 7));
        Vector128<sbyte> second = Vector128.Shuffle(factors, Vector128.Create(8, 8, 10, 10, 12, 12, 14, 14, 9, 9, 11, 11, 13, 13, 15, 15));
        return SmallIntegers.MultiplyAddPairs(SmallIntegers.AddQuads(v0, v1, v2, v3), SmallIntegers.Widen(first))
            + SmallIntegers.MultiplyAddPairs(SmallIntegers.AddQuads(v4, v5, v6, v7), SmallIntegers.Widen(second));
    }
}
