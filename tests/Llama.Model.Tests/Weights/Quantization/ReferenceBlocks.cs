using System.Buffers.Binary;
using Llama.Model.Weights;

namespace Llama.Model.Tests.Weights.Quantization;

/// <summary>The elements of ggml's blocks, one at a time, written from the layout alone.</summary>
internal static class ReferenceBlocks
{
    /// <summary>Element <paramref name="i"/> of one block.</summary>
    public static float Element(ElementType type, ReadOnlySpan<byte> block, int i) => type switch
    {
        ElementType.Q4_0 => Half(block, 0) * (Nibble(block[2..], i, 16) - 8),
        ElementType.Q4_1 => (Half(block, 0) * Nibble(block[4..], i, 16)) + Half(block, 2),
        ElementType.Q5_0 => Half(block, 0) * ((Nibble(block[6..], i, 16) | (Bit(block[2..], i) << 4)) - 16),
        ElementType.Q5_1 => (Half(block, 0) * (Nibble(block[8..], i, 16) | (Bit(block[4..], i) << 4))) + Half(block, 2),
        ElementType.Q8_0 => Half(block, 0) * (sbyte)block[2 + i],
        ElementType.Q4_K => SuperBlock(block, i, Nibble(block[(16 + (i / 64 * 32))..], i % 64, 32)),
        ElementType.Q5_K => SuperBlock(block, i, Nibble(block[(48 + (i / 64 * 32))..], i % 64, 32) | (((block[16 + (i % 32)] >> (i / 32)) & 1) << 4)),
        ElementType.Q6_K => Q6_K(block, i),
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    private static float SuperBlock(ReadOnlySpan<byte> block, int i, int quant)
    {
        // Scales and minima of 32 elements each: six bits, four of them in the lower half of the first eight bytes.
        int part = i / 32;
        ReadOnlySpan<byte> packed = block.Slice(4, 12);
        int scale, minimum;
        if (part < 4)
        {
            scale = packed[part] & 0b111111;
            minimum = packed[part + 4] & 0b111111;
        }
        else
        {
            scale = (packed[part + 4] & 0b1111) + ((packed[part - 4] >> 6) * 16);
            minimum = (packed[part + 4] >> 4) + ((packed[part] >> 6) * 16);
        }

        return (Half(block, 0) * scale * quant) - (Half(block, 2) * minimum);
    }

    private static float Q6_K(ReadOnlySpan<byte> block, int i)
    {
        int half = i / 128, within = i % 128, quarter = within / 32, column = within % 32;
        int nibbles = block[(half * 64) + column + (quarter % 2 * 32)];
        int low = quarter < 2 ? nibbles & 15 : nibbles >> 4;
        int high = (block[128 + (half * 32) + column] >> (2 * quarter)) & 3;
        int scale = (sbyte)block[192 + (half * 8) + (quarter * 2) + (column / 16)];
        return Half(block, 208) * scale * ((low | (high << 4)) - 32);
    }

    private static int Nibble(ReadOnlySpan<byte> bytes, int i, int half) => i < half ? bytes[i] & 15 : bytes[i - half] >> 4;

    private static int Bit(ReadOnlySpan<byte> bits, int i) => (bits[i / 8] >> (i % 8)) & 1;

    private static float Half(ReadOnlySpan<byte> block, int offset) => (float)BinaryPrimitives.ReadHalfLittleEndian(block[offset..]);
}
