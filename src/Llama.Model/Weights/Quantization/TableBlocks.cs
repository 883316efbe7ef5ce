using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

// Blocks of nibbles that stand for numbers of a table (ggml-common.h: block_iq4_nl, block_iq4_xs, block_mxfp4). Nibbles of a part lie as in
// Q4_0: element i and element i + 16 in the lower and upper half of byte i.

/// <summary>The numbers that nibbles stand for.</summary>
internal static unsafe class NibbleTables
{
    /// <summary>Of IQ4_NL and IQ4_XS (<c>kvalues_iq4nl</c>).</summary>
    public static Vector128<sbyte> NonLinear => Vector128.Create((sbyte)-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

    /// <summary>Of MXFP4, twice the numbers of FP4 (E2M1; Open Compute Project, "Microscaling Formats", 2023).</summary>
    public static Vector128<sbyte> Fp4 => Vector128.Create((sbyte)0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

    /// <summary>The numbers of a part.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<sbyte> Load(Vector128<sbyte> table, byte* source) => SmallIntegers.Look(table, SmallIntegers.Nibbles(source));
}

/// <summary>d; 16 bytes of nibbles: t[n] × d.</summary>
internal readonly unsafe struct IQ4_NLBlock : IPlainFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.IQ4_NL;

    /// <inheritdoc/>
    public static int ScaleAt => 0;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => 
        SmallIntegers.Dot(NibbleTables.Load(NibbleTables.NonLinear, block + 2), Vector256.Load(x));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        SmallIntegers.Widen(NibbleTables.Load(NibbleTables.NonLinear, block + 2), out first, out second);
}

/// <summary>An exponent e of a byte; 16 bytes of nibbles: t[n] × 2^(e - 128).</summary>
internal readonly unsafe struct MXFP4Block : IPlainFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.MXFP4;

    /// <inheritdoc/>
    public static int ScaleAt => -1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => 
        SmallIntegers.Dot(NibbleTables.Load(NibbleTables.Fp4, block + 1), Vector256.Load(x));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Scale(byte* block) => BitConverter.UInt32BitsToSingle(*block < 2 ? 0x200000u << *block : (*block - 1u) << 23);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        SmallIntegers.Widen(NibbleTables.Load(NibbleTables.Fp4, block + 1), out first, out second);
}

/// <summary>d; upper two bits, then lower four bits of a factor s for each of eight parts; 128 bytes of nibbles: (s - 32) × t[n] × d.</summary>
internal readonly unsafe struct IQ4_XSBlock : IPlainFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.IQ4_XS;

    /// <inheritdoc/>
    public static int ScaleAt => 0;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(byte* block, sbyte* x) => 
        Dot(block, x, 0) + Dot(block, x, 1) + (Dot(block, x, 2) + Dot(block, x, 3))
        + (Dot(block, x, 4) + Dot(block, x, 5) + (Dot(block, x, 6) + Dot(block, x, 7)));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second)
    {
        SmallIntegers.Widen(Numbers(block, part), out first, out second);
        Vector256<short> factor = Vector256.Create(Factor(block, part));
        first *= factor;
        second *= factor;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Dot(byte* block, sbyte* x, int part) => SmallIntegers.MultiplyAddPairs(
        SmallIntegers.MultiplyAddPairs(Numbers(block, part), Vector256.Load(x + (part * BlockRows.PartElements))),
        Vector256.Create(Factor(block, part)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Numbers(byte* block, int part) => NibbleTables.Load(NibbleTables.NonLinear, block + 8 + (16 * part));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static short Factor(byte* block, int part)
    {
        int lower = (block[4 + (part / 2)] >> (4 * (part % 2))) & 15;
        int upper = (Unsafe.ReadUnaligned<ushort>(block + 2) >> (2 * part)) & 3;
        return (short)((lower | (upper << 4)) - 32);
    }
}
