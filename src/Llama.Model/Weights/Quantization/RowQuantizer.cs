using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Kernels;

namespace Llama.Model.Weights.Quantization;

/// <summary>
/// Rounds rows of single-precision numbers to a stored type, as ggml's reference functions do (ggml-quants.c: <c>quantize_row_*_ref</c>),
/// so that a file has the bytes that its tools would write.
/// </summary>
internal static unsafe class RowQuantizer
{
    /// <summary>The types that can be asked for; rows may fall back to Q5_0 and Q5_1, too.</summary>
    public static IReadOnlyList<ElementType> Types { get; } =
        [ElementType.F32, ElementType.F16, ElementType.BF16, ElementType.Q8_0, ElementType.Q4_0, ElementType.Q4_K, ElementType.Q5_K, ElementType.Q6_K];

    /// <summary>Writes a row.</summary>
    /// <param name="type">One of <see cref="Types"/>, Q5_0 or Q5_1.</param>
    /// <param name="source">The row.</param>
    /// <param name="target">Receives <c>type.Bytes(elements)</c> bytes.</param>
    /// <param name="elements">Elements of the row; a multiple of the block's.</param>
    public static void Quantize(ElementType type, float* source, byte* target, int elements)
    {
        switch (type)
        {
            case ElementType.F32: Buffer.MemoryCopy(source, target, 4L * elements, 4L * elements); return;
            case ElementType.F16: ToHalf(source, (ushort*)target, elements); return;
            case ElementType.BF16: ToBFloat16(source, (ushort*)target, elements); return;
        }

        int blockBytes = type.BlockBytes();
        int blockElements = type.BlockElements();
        for (int i = 0; i < elements; i += blockElements, source += blockElements, target += blockBytes)
        {
            switch (type)
            {
                case ElementType.Q8_0: QuantizeQ8_0(source, target); break;
                case ElementType.Q4_0: QuantizeQ4_0(source, target); break;
                case ElementType.Q5_0: QuantizeQ5_0(source, target); break;
                case ElementType.Q5_1: QuantizeQ5_1(source, target); break;
                case ElementType.Q4_K: LevelSearch.OfQ4_K.Quantize(source, target); break;
                case ElementType.Q5_K: LevelSearch.OfQ5_K.Quantize(source, target); break;
                case ElementType.Q6_K: Q6_KSearch.Quantize(source, target); break;
                default: throw new NotSupportedException($"rows of {type} cannot be written");
            }
        }
    }

    private static void ToHalf(float* source, ushort* target, int elements)
    {
        int i = 0;
        for (; i <= elements - 8; i += 8)
        {
            Vector256<uint> words = HalfBits.FromSingle(Vector256.Load(source + i));
            Vector128.Narrow(words.GetLower(), words.GetUpper()).Store(target + i);
        }

        for (; i < elements; i++) target[i] = HalfBits.FromSingle(source[i]);
    }

    private static void ToBFloat16(float* source, ushort* target, int elements)
    {
        for (int i = 0; i < elements; i++)
        {
            // To nearest, ties to even; a NaN stays one.
            uint bits = BitConverter.SingleToUInt32Bits(source[i]);
            target[i] = float.IsNaN(source[i]) ? (ushort)((bits >> 16) | 64) : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
        }
    }

    /// <summary>The greatest magnitude becomes 127; halves round away from zero.</summary>
    private static void QuantizeQ8_0(float* source, byte* block)
    {
        Vector256<float> x0 = Vector256.Load(source), x1 = Vector256.Load(source + 8);
        Vector256<float> x2 = Vector256.Load(source + 16), x3 = Vector256.Load(source + 24);

        // Magnitudes as integers have the order of the numbers, and what is no number is above all.
        Vector256<int> greatest = Vector256.Max(
            Vector256.Max(Vector256.Abs(x0).AsInt32(), Vector256.Abs(x1).AsInt32()),
            Vector256.Max(Vector256.Abs(x2).AsInt32(), Vector256.Abs(x3).AsInt32()));
        float scale = BitConverter.Int32BitsToSingle(Lanes.Max(greatest)) / 127;
        Vector256<float> inverse = Vector256.Create(scale != 0 ? 1 / scale : 0);
        Unsafe.WriteUnaligned(block, HalfBits.FromSingle(scale));
        Vector256<short> first = Vector256.Narrow(Nearest(x0 * inverse), Nearest(x1 * inverse));
        Vector256<short> second = Vector256.Narrow(Nearest(x2 * inverse), Nearest(x3 * inverse));
        Vector256.Narrow(first, second).Store((sbyte*)block + sizeof(ushort));
    }

    /// <summary>What is cut off after adding almost a half: the number below it would make the next one of 0.49999997.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Nearest(Vector256<float> x) =>
        Vector256.ConvertToInt32(x + Vector256.CopySign(Vector256.Create(0.49999997f), x));

    /// <summary>The number of greatest magnitude becomes -8, whatever its sign.</summary>
    private static void QuantizeQ4_0(float* source, byte* block)
    {
        float scale = Greatest(source) / -8;
        float inverse = scale != 0 ? 1 / scale : 0;
        Unsafe.WriteUnaligned(block, HalfBits.FromSingle(scale));
        for (int i = 0; i < 16; i++)
        {
            int low = Math.Min(15, (int)((source[i] * inverse) + 8.5f));
            int high = Math.Min(15, (int)((source[i + 16] * inverse) + 8.5f));
            block[2 + i] = (byte)(low | (high << 4));
        }
    }

    /// <summary>The number of greatest magnitude becomes -16, whatever its sign.</summary>
    private static void QuantizeQ5_0(float* source, byte* block)
    {
        float scale = Greatest(source) / -16;
        float inverse = scale != 0 ? 1 / scale : 0;
        Unsafe.WriteUnaligned(block, HalfBits.FromSingle(scale));
        WriteFive(source, 0, inverse, 16.5f, block + 2);
    }

    /// <summary>The least number becomes 0, the greatest 31.</summary>
    private static void QuantizeQ5_1(float* source, byte* block)
    {
        float least = float.MaxValue, greatest = -float.MaxValue;
        for (int i = 0; i < 32; i++)
        {
            if (source[i] < least) least = source[i];
            if (source[i] > greatest) greatest = source[i];
        }

        float scale = (greatest - least) / 31;
        float inverse = scale != 0 ? 1 / scale : 0;
        Unsafe.WriteUnaligned(block, HalfBits.FromSingle(scale));
        Unsafe.WriteUnaligned(block + 2, HalfBits.FromSingle(least));
        WriteFive(source, least, inverse, 0.5f, block + 4);
    }

    /// <summary>Writes 32 fifth bits and sixteen bytes of nibbles.</summary>
    private static void WriteFive(float* source, float least, float inverse, float offset, byte* target)
    {
        uint fifths = 0;
        for (int i = 0; i < 16; i++)
        {
            int low = Math.Min(31, (int)(((source[i] - least) * inverse) + offset));
            int high = Math.Min(31, (int)(((source[i + 16] - least) * inverse) + offset));
            target[4 + i] = (byte)((low & 15) | ((high & 15) << 4));
            fifths |= ((uint)(low & 16) >> 4 << i) | ((uint)(high & 16) >> 4 << (i + 16));
        }

        Unsafe.WriteUnaligned(target, fifths);
    }

    /// <summary>The number of greatest magnitude among 32.</summary>
    private static float Greatest(float* source)
    {
        float greatest = 0, signed = 0;
        for (int i = 0; i < 32; i++)
        {
            if (greatest >= MathF.Abs(source[i])) continue;
            greatest = MathF.Abs(source[i]);
            signed = source[i];
        }

        return signed;
    }
}
