using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

// Blocks of 256 elements of two and three bits, whose halves of parts have factors of their own (ggml-common.h: block_q2_K, block_q3_K).

/// <summary>
/// Sixteen bytes, factor s in the lower and minimum m in the upper half, one for each sixteen elements; 64 bytes of four times two bits; d and
/// dmin in half precision: n × d × s - dmin × m.
/// </summary>
internal readonly unsafe struct Q2_KBlock : ILevelFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q2_K;

    /// <inheritdoc/>
    public static int ScaleAt => 80;

    /// <inheritdoc/>
    public static bool HasOffsets => true;

    /// <inheritdoc/>
    public static int OffsetElements => 16;

    /// <inheritdoc/>
    public static int Offset(byte* block, int half) => -(block[half] >> 4);

    /// <inheritdoc/>
    public static int Bias => 0;

    /// <inheritdoc/>
    public static int LevelBits => 2;

    /// <inheritdoc/>
    public static bool HasFactors => true;

    /// <inheritdoc/>
    public static int FactorElements => 16;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Factor(byte* block, int half) => block[half] & 15;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Levels(byte* block, int part) => SmallIntegers.TwoBits(block + 16, part);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        Levels<Q2_KBlock>.Integers(block, part, out first, out second);
}

/// <summary>
/// 32 bytes of third bits, bit k of byte i for element 32 × k + i; 64 bytes of four times two bits; sixteen factors s of six bits in twelve
/// bytes; d in half precision: (n - 4) × (s - 32) × d.
/// </summary>
internal readonly unsafe struct Q3_KBlock : ILevelFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q3_K;

    /// <inheritdoc/>
    public static int ScaleAt => 108;

    /// <inheritdoc/>
    public static bool HasOffsets => false;

    /// <inheritdoc/>
    public static int Offset(byte* block, int index) => 0;

    /// <inheritdoc/>
    public static int Bias => 4;

    /// <inheritdoc/>
    public static int LevelBits => 3;

    /// <inheritdoc/>
    public static bool HasFactors => true;

    /// <inheritdoc/>
    public static int FactorElements => 16;

    /// <summary>
    /// The factor's lower four bits are the lower halves of the first eight bytes, then the upper ones; of the upper two bits, four
    /// bytes have those of factors 0 to 3, from the next two bits on those of 4 to 7, and so on.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Factor(byte* block, int half)
    {
        int lower = (block[96 + (half % 8)] >> (half / 8 * 4)) & 15, upper = (block[104 + (half % 4)] >> (half / 4 * 2)) & 3;
        return (lower | (upper << 4)) - 32;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Levels(byte* block, int part)
    {
        Vector256<byte> bit = Vector256.Create((byte)(1 << part));
        return SmallIntegers.TwoBits(block + 32, part) | (Vector256.Equals(Vector256.Load(block) & bit, bit) & Vector256.Create((byte)4));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        Levels<Q3_KBlock>.Integers(block, part, out first, out second);
}
