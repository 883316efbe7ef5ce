using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Llama.Model.Weights;

namespace Llama.Tool;

/// <summary>
/// Random weights of about the size of a trained model's, made as stored bytes: nothing is rounded, so that a large file takes as long as
/// writing it. The same seed gives the same bytes.
/// </summary>
internal sealed class RandomWeights(ulong seed)
{
    // Scales, as half-precision numbers, that make weights of a size around 0.02.
    private const ushort Scale4 = 0x1c00; // 2^-8: four bits, -8 to 7
    private const ushort Scale5 = 0x1800; // 2^-9: five bits
    private const ushort Scale8 = 0x0c00; // 2^-12: eight bits
    private const ushort SuperScale4 = 0x0800; // 2^-13, times a scale of six bits
    private const ushort SuperScale5 = 0x0400; // 2^-14
    private const ushort SuperScale6 = 0x00c0; // 2^-16 × 0.75, times a signed scale of eight bits

    private ulong state = seed * 0x9e3779b97f4a7c15 + 1;

    /// <summary>Fills whole blocks of a type.</summary>
    public void Fill(ElementType type, Span<byte> bytes)
    {
        FillBits(bytes);
        int blockBytes = type.BlockBytes();
        switch (type)
        {
            // Any sign and any fraction, with one exponent: magnitudes from 2^-6 to 2^-5.
            case ElementType.F32:
                foreach (ref uint value in MemoryMarshal.Cast<byte, uint>(bytes)) value = (value & 0x807fffff) | 0x3c800000;
                break;
            case ElementType.F16:
                foreach (ref ushort value in MemoryMarshal.Cast<byte, ushort>(bytes)) value = (ushort)((value & 0x83ff) | 0x2400);
                break;
            case ElementType.BF16:
                foreach (ref ushort value in MemoryMarshal.Cast<byte, ushort>(bytes)) value = (ushort)((value & 0x807f) | 0x3c80);
                break;

            // Random bits but for the scales. Where there is a minimum, it centres the range on zero.
            case ElementType.Q4_0: Set(bytes, blockBytes, 0, Scale4); break;
            case ElementType.Q4_1: Set(bytes, blockBytes, 0, Scale4); Set(bytes, blockBytes, 2, 0xa780); break; // -7.5 × 2^-8
            case ElementType.Q5_0: Set(bytes, blockBytes, 0, Scale5); break;
            case ElementType.Q5_1: Set(bytes, blockBytes, 0, Scale5); Set(bytes, blockBytes, 2, 0xa7c0); break; // -15.5 × 2^-9
            case ElementType.Q8_0: Set(bytes, blockBytes, 0, Scale8); break;
            case ElementType.Q4_K: Set(bytes, blockBytes, 0, SuperScale4); Set(bytes, blockBytes, 2, 0x1380); break; // 7.5 × 2^-13
            case ElementType.Q5_K: Set(bytes, blockBytes, 0, SuperScale5); Set(bytes, blockBytes, 2, 0x13c0); break; // 15.5 × 2^-14
            case ElementType.Q6_K: Set(bytes, blockBytes, 208, SuperScale6); break;
            case ElementType.Q2_K: Set(bytes, blockBytes, 80, SuperScale4); Set(bytes, blockBytes, 82, 0x0e00); break; // 1.5 × 2^-12
            case ElementType.Q3_K: Set(bytes, blockBytes, 108, SuperScale5); break;
            case ElementType.IQ4_NL: Set(bytes, blockBytes, 0, Scale8); break;
            case ElementType.IQ4_XS: Set(bytes, blockBytes, 0, SuperScale6); break;
            case ElementType.TQ1_0: Set(bytes, blockBytes, 52, Scale4 + 0x0800); break;
            case ElementType.TQ2_0: Set(bytes, blockBytes, 64, Scale4 + 0x0800); break;
            case ElementType.MXFP4: for (int at = 0; at < bytes.Length; at += blockBytes) bytes[at] = 120; break;
            case ElementType.IQ1_M: for (int at = 48; at < bytes.Length; at += blockBytes) SetNibbles(bytes.Slice(at, 8), SuperScale4); break;
            default: Set(bytes, blockBytes, 0, SuperScale4); break;
        }
    }

    /// <summary>A half-precision number in the upper four bits of four words.</summary>
    private static void SetNibbles(Span<byte> words, ushort half)
    {
        for (int i = 0; i < 4; i++) words[(2 * i) + 1] = (byte)((words[(2 * i) + 1] & 0x0f) | (((half >> (4 * i)) & 0x0f) << 4));
    }

    private static void Set(Span<byte> bytes, int blockBytes, int offset, ushort half)
    {
        for (int at = offset; at < bytes.Length; at += blockBytes) BinaryPrimitives.WriteUInt16LittleEndian(bytes[at..], half);
    }

    // Marsaglia's xorshift with Vigna's multiplier, "An experimental exploration of Marsaglia's xorshift generators, scrambled" (2016).
    private void FillBits(Span<byte> bytes)
    {
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (ref ulong word in words) word = Next();
        Span<byte> rest = bytes[(words.Length * sizeof(ulong))..];
        ulong last = rest.IsEmpty ? 0 : Next();
        for (int i = 0; i < rest.Length; i++) rest[i] = (byte)(last >> (8 * i));
    }

    private ulong Next()
    {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return state * 0x2545f4914f6cdd1d;
    }
}
