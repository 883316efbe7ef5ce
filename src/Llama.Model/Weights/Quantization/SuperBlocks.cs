using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

// Blocks of 256 elements with scales of their own for every 16 or 32 (ggml-common.h: block_q4_K to block_q6_K).

/// <summary>The eight scales and eight minima, six bits each, that Q4_K and Q5_K pack into twelve bytes.</summary>
internal static unsafe class PackedScales
{
    /// <summary>Number of scales, and of minima.</summary>
    public const int Count = 8;

    /// <summary>Bytes of all.</summary>
    public const int Bytes = 12;

    /// <summary>
    /// One scale and minimum. The first four lie in the lower six bits of bytes 0 to 3 (scales) and 4 to 7 (minima); of the others the
    /// lower four bits share bytes 8 to 11, and the upper two are what is left of the first eight bytes.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (int Scale, int Minimum) Get(byte* packed, int index) => index < 4
        ? (packed[index] & 63, packed[index + 4] & 63)
        : ((packed[index + 4] & 15) | (packed[index - 4] >> 6 << 4), (packed[index + 4] >> 4) | (packed[index] >> 6 << 4));

    /// <summary>Packs all.</summary>
    /// <param name="scales">Scales, 0 to 63.</param>
    /// <param name="minima">Minima, 0 to 63.</param>
    /// <param name="packed">Receives <see cref="Bytes"/> bytes.</param>
    public static void Set(ReadOnlySpan<byte> scales, ReadOnlySpan<byte> minima, byte* packed)
    {
        for (int i = 0; i < 4; i++)
        {
            packed[i] = (byte)(scales[i] | (scales[i + 4] >> 4 << 6));
            packed[i + 4] = (byte)(minima[i] | (minima[i + 4] >> 4 << 6));
            packed[i + 8] = (byte)((scales[i + 4] & 15) | ((minima[i + 4] & 15) << 4));
        }
    }
}

/// <summary>
/// d and dmin in half precision; packed scales s and minima m; 128 bytes of nibbles, each 32 bytes holding 64 elements, first the lower
/// halves: n × d × s - dmin × m.
/// </summary>
internal readonly unsafe struct Q4_KBlock : ILevelFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q4_K;

    /// <inheritdoc/>
    public static int ScaleAt => 0;

    /// <inheritdoc/>
    public static bool HasOffsets => true;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Offset(byte* block, int part) => -PackedScales.Get(block + 4, part).Minimum;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        Levels<Q4_KBlock>.Integers(block, part, out first, out second);

    /// <inheritdoc/>
    public static int Bias => 0;

    /// <inheritdoc/>
    public static int LevelBits => 4;

    /// <inheritdoc/>
    public static bool HasFactors => true;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Factor(byte* block, int part) => PackedScales.Get(block + 4, part).Scale;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Levels(byte* block, int part) =>
        SmallIntegers.Nibbles(block + 4 + PackedScales.Bytes + (part / 2 * 32), part % 2);
}

/// <summary>
/// As <see cref="Q4_KBlock"/>, with 32 bytes of fifth bits before the nibbles: bit k of byte i belongs to element 32 × k + i.
/// </summary>
internal readonly unsafe struct Q5_KBlock : ILevelFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q5_K;

    /// <inheritdoc/>
    public static int ScaleAt => 0;

    /// <inheritdoc/>
    public static bool HasOffsets => true;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Offset(byte* block, int part) => -PackedScales.Get(block + 4, part).Minimum;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        Levels<Q5_KBlock>.Integers(block, part, out first, out second);

    /// <inheritdoc/>
    public static int Bias => 0;

    /// <inheritdoc/>
    public static int LevelBits => 5;

    /// <inheritdoc/>
    public static bool HasFactors => true;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Factor(byte* block, int part) => PackedScales.Get(block + 4, part).Scale;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Levels(byte* block, int part)
    {
        byte* fifths = block + 4 + PackedScales.Bytes;
        return SmallIntegers.Nibbles(fifths + 32 + (part / 2 * 32), part % 2)
            | SmallIntegers.Fifths(Vector256.Load(fifths), Vector256.Create((byte)(1 << part)));
    }
}

/// <summary>
/// 128 bytes of nibbles, 64 bytes of the upper two bits, 16 signed scales s of a byte, d in half precision: (n - 32) × d × s. Each half
/// of the block has 64 nibble bytes, whose lower halves are elements 0 to 63 and upper halves 64 to 127, and 32 bytes of upper bits, two
/// bits for each quarter of those.
/// </summary>
internal readonly unsafe struct Q6_KBlock : ILevelFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q6_K;

    /// <inheritdoc/>
    public static int ScaleAt => 208;

    /// <inheritdoc/>
    public static bool HasOffsets => false;

    /// <inheritdoc/>
    public static int Offset(byte* block, int part) => 0;

    /// <inheritdoc/>
    public static int Bias => 32;

    /// <inheritdoc/>
    public static int LevelBits => 6;

    /// <inheritdoc/>
    public static bool HasFactors => true;

    /// <inheritdoc/>
    public static int FactorElements => 16;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Factor(byte* block, int half) => ((sbyte*)block)[192 + half];

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Levels(byte* block, int part)
    {
        (int half, int quarter) = (part / 4, part % 4);
        Vector256<byte> nibbles = SmallIntegers.Nibbles(block + (half * 64) + (quarter % 2 * 32), quarter / 2);
        Vector256<byte> upper = (Vector256.Load(block + 128 + (half * 32)).AsUInt16() >>> (2 * quarter)).AsByte();
        return nibbles | ((upper & Vector256.Create((byte)3)).AsUInt16() << 4).AsByte();
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second) =>
        Levels<Q6_KBlock>.Integers(block, part, out first, out second);
}
