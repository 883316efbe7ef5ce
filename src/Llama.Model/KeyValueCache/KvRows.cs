using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Kernels;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.KeyValueCache;

/// <summary>
/// Keys and values as they are kept: rounded as weights of the same type are (<see cref="RowQuantizer"/>), at the speed that every token
/// of every layer needs.
/// </summary>
internal static unsafe class KvRows
{
    private const int BlockElements = 32;

    /// <summary>Rounds numbers.</summary>
    /// <param name="type">One of <see cref="KvTypes.All"/>.</param>
    /// <param name="source">The numbers.</param>
    /// <param name="target">Receives <c>type.Bytes(count)</c> bytes.</param>
    /// <param name="count">How many; a multiple of the type's block.</param>
    public static void Write(ElementType type, float* source, byte* target, int count)
    {
        if (type != ElementType.Q8_0)
        {
            RowQuantizer.Quantize(type, source, target, count);
            return;
        }

        for (int i = 0; i < count; i += BlockElements, target += ElementType.Q8_0.BlockBytes()) WriteQ8_0(source + i, target);
    }

    /// <summary>Reads numbers.</summary>
    /// <param name="type">One of <see cref="KvTypes.All"/>.</param>
    /// <param name="source">The bytes.</param>
    /// <param name="scratch">Receives the numbers, unless they are there in single precision already.</param>
    /// <param name="count">How many; a multiple of the type's block.</param>
    /// <returns>Where they are.</returns>
    public static float* Read(ElementType type, byte* source, float* scratch, int count)
    {
        if (type == ElementType.F32) return (float*)source;
        if (type == ElementType.F16) StoredElements.Convert<F16Elements>(source, scratch, count);
        else BlockRows.Dequantize(type, source, scratch, count);
        return scratch;
    }

    /// <summary>The greatest magnitude becomes 127; halves round away from zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WriteQ8_0(float* source, byte* block)
    {
        Vector256<float> x0 = Vector256.Load(source), x1 = Vector256.Load(source + 8);
        Vector256<float> x2 = Vector256.Load(source + 16), x3 = Vector256.Load(source + 24);
        Vector256<float> greatest = Vector256.Max(
            Vector256.Max(Vector256.Abs(x0), Vector256.Abs(x1)), Vector256.Max(Vector256.Abs(x2), Vector256.Abs(x3)));
        float scale = Lanes.Max(greatest) / 127;
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
}
