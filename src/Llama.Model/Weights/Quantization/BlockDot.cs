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
}
