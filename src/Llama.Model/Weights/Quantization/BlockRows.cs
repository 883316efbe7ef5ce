using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

/// <summary>Rows of blocks.</summary>
internal static unsafe class BlockRows
{
    /// <summary>Elements of a part of a block.</summary>
    public const int PartElements = 32;

    /// <summary>Writes the elements of consecutive blocks as single-precision numbers, exactly as the format defines them.</summary>
    /// <param name="type">A type of blocks.</param>
    /// <param name="source">First block.</param>
    /// <param name="target">Receives the elements.</param>
    /// <param name="elements">How many; a multiple of the block's.</param>
    public static void Dequantize(ElementType type, byte* source, float* target, int elements)
    {
        switch (type)
        {
            case ElementType.Q4_0: Dequantize<Q4_0Block>(source, target, elements); break;
            case ElementType.Q4_1: Dequantize<Q4_1Block>(source, target, elements); break;
            case ElementType.Q5_0: Dequantize<Q5_0Block>(source, target, elements); break;
            case ElementType.Q5_1: Dequantize<Q5_1Block>(source, target, elements); break;
            case ElementType.Q8_0: Dequantize<Q8_0Block>(source, target, elements); break;
            case ElementType.Q4_K: Dequantize<Q4_KBlock>(source, target, elements); break;
            case ElementType.Q5_K: Dequantize<Q5_KBlock>(source, target, elements); break;
            case ElementType.Q6_K: Dequantize<Q6_KBlock>(source, target, elements); break;
            default: throw new NotSupportedException($"{type} is no type of blocks");
        }
    }

    private static void Dequantize<T>(byte* block, float* target, int elements)
        where T : struct, IBlockFormat
    {
        int blockElements = T.Type.BlockElements();
        for (int i = 0; i < elements; i += blockElements, block += T.Type.BlockBytes())
        {
            Vector256<float> scale = Vector256.Create(HalfBits.ToSingle(Unsafe.ReadUnaligned<ushort>(block + T.ScaleAt)));
            float offsetScale = T.HasOffsets ? HalfBits.ToSingle(Unsafe.ReadUnaligned<ushort>(block + T.ScaleAt + sizeof(ushort))) : 0;
            for (int part = 0; part < blockElements / PartElements; part++, target += PartElements)
            {
                T.Integers(block, part, out Vector256<short> first, out Vector256<short> second);
                Vector256<float> offset = Vector256.Create(offsetScale * T.Offset(block, part));
                Store(first, scale, offset, target);
                Store(second, scale, offset, target + 16);
            }
        }
    }

    /// <summary>
    /// Scales have so few bits that the product is exact wherever an offset follows: whether it is fused with the addition makes no difference.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<short> integers, Vector256<float> scale, Vector256<float> offset, float* target)
    {
        ((Vector256.ConvertToSingle(Vector256.WidenLower(integers)) * scale) + offset).Store(target);
        ((Vector256.ConvertToSingle(Vector256.WidenUpper(integers)) * scale) + offset).Store(target + 8);
    }
}
