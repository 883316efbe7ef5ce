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
internal readonly unsafe struct Q4_KBlock : IBlockFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q4_K;

    /// <inheritdoc/>
    public static void Dequantize(byte* block, float* target)
    {
        float scale = SmallIntegers.Half(block), minimum = SmallIntegers.Half(block + 2);
        byte* bytes = block + 4 + PackedScales.Bytes;
        for (int index = 0; index < PackedScales.Count; index += 2, bytes += 32, target += 64)
        {
            (int scale0, int minimum0) = PackedScales.Get(block + 4, index);
            (int scale1, int minimum1) = PackedScales.Get(block + 4, index + 1);
            for (int i = 0; i < 32; i += 16)
            {
                Vector128<byte> pairs = Vector128.Load(bytes + i);
                SmallIntegers.Store(SmallIntegers.Low(pairs), scale * scale0, -(minimum * minimum0), target + i);
                SmallIntegers.Store(SmallIntegers.High(pairs), scale * scale1, -(minimum * minimum1), target + i + 32);
            }
        }
    }
}

/// <summary>
/// As <see cref="Q4_KBlock"/>, with 32 bytes of fifth bits before the nibbles: bit k of byte i belongs to element 32 × k + i.
/// </summary>
internal readonly unsafe struct Q5_KBlock : IBlockFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q5_K;

    /// <inheritdoc/>
    public static void Dequantize(byte* block, float* target)
    {
        float scale = SmallIntegers.Half(block), minimum = SmallIntegers.Half(block + 2);
        byte* fifth = block + 4 + PackedScales.Bytes;
        byte* bytes = fifth + 32;
        for (int index = 0; index < PackedScales.Count; index += 2, bytes += 32, target += 64)
        {
            (int scale0, int minimum0) = PackedScales.Get(block + 4, index);
            (int scale1, int minimum1) = PackedScales.Get(block + 4, index + 1);
            Vector128<byte> bit0 = Vector128.Create((byte)(1 << index)), bit1 = Vector128.Create((byte)(2 << index));
            for (int i = 0; i < 32; i += 16)
            {
                Vector128<byte> pairs = Vector128.Load(bytes + i);
                Vector128<byte> bits = Vector128.Load(fifth + i);
                SmallIntegers.Store(
                    SmallIntegers.Low(pairs) | SmallIntegers.Fifth(bits, bit0), scale * scale0, -(minimum * minimum0), target + i);
                SmallIntegers.Store(
                    SmallIntegers.High(pairs) | SmallIntegers.Fifth(bits, bit1), scale * scale1, -(minimum * minimum1), target + i + 32);
            }
        }
    }
}

/// <summary>
/// 128 bytes of nibbles, 64 bytes of the upper two bits, 16 signed scales s of a byte, d in half precision: (n - 32) × d × s. Each half
/// of the block has 64 nibble bytes, whose lower halves are elements 0 to 63 and upper halves 64 to 127, and 32 bytes of upper bits, two
/// bits for each quarter of those.
/// </summary>
internal readonly unsafe struct Q6_KBlock : IBlockFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q6_K;

    /// <inheritdoc/>
    public static void Dequantize(byte* block, float* target)
    {
        float scale = SmallIntegers.Half(block + 208);
        sbyte* scales = (sbyte*)block + 192;
        for (int half = 0; half < 2; half++, scales += 8, target += 128)
        {
            byte* nibbles = block + (half * 64);
            byte* upper = block + 128 + (half * 32);
            for (int i = 0; i < 32; i += 16)
            {
                Vector128<byte> bits = Vector128.Load(upper + i);
                Vector128<byte> first = Vector128.Load(nibbles + i), second = Vector128.Load(nibbles + i + 32);
                sbyte* own = scales + (i / 16);
                Store(SmallIntegers.Low(first), (bits.AsUInt16() << 4).AsByte(), scale * own[0], target + i);
                Store(SmallIntegers.Low(second), (bits.AsUInt16() << 2).AsByte(), scale * own[2], target + i + 32);
                Store(SmallIntegers.High(first), bits, scale * own[4], target + i + 64);
                Store(SmallIntegers.High(second), (bits.AsUInt16() >>> 2).AsByte(), scale * own[6], target + i + 96);
            }
        }
    }

    private static void Store(Vector128<byte> nibbles, Vector128<byte> upper, float scale, float* target)
    {
        Vector128<byte> values = nibbles | (upper & Vector128.Create((byte)0x30));
        SmallIntegers.Store(values.AsSByte() - Vector128.Create((sbyte)32), scale, target);
    }
}
