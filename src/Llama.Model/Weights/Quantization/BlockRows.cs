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
            case ElementType.Q2_K: Dequantize<Q2_KBlock>(source, target, elements); break;
            case ElementType.Q3_K: Dequantize<Q3_KBlock>(source, target, elements); break;
            case ElementType.IQ4_NL: Dequantize<IQ4_NLBlock>(source, target, elements); break;
            case ElementType.IQ4_XS: Dequantize<IQ4_XSBlock>(source, target, elements); break;
            case ElementType.IQ3_S: Dequantize<IQ3_SBlock>(source, target, elements); break;
            case ElementType.IQ3_XXS: Dequantize<IQ3_XXSBlock>(source, target, elements); break;
            case ElementType.IQ2_S: Dequantize<IQ2_SBlock>(source, target, elements); break;
            case ElementType.IQ2_XS: Dequantize<IQ2_XSBlock>(source, target, elements); break;
            case ElementType.IQ2_XXS: Dequantize<IQ2_XXSBlock>(source, target, elements); break;
            case ElementType.IQ1_M: Dequantize<IQ1_MBlock>(source, target, elements); break;
            case ElementType.IQ1_S: Dequantize<IQ1_SBlock>(source, target, elements); break;
            case ElementType.TQ2_0: Dequantize<TQ2_0Block>(source, target, elements); break;
            case ElementType.TQ1_0: Dequantize<TQ1_0Block>(source, target, elements); break;
            case ElementType.MXFP4: Dequantize<MXFP4Block>(source, target, elements); break;
            default: throw new NotSupportedException($"{type} is no type of blocks");
        }
    }

    private static void Dequantize<T>(byte* block, float* target, int elements)
        where T : struct, IBlockFormat
    {
        int blockElements = T.Type.BlockElements();
        for (int i = 0; i < elements; i += blockElements, block += T.Type.BlockBytes())
        {
            Vector256<float> scale = Vector256.Create(
                T.ScaleAt < 0 ? T.Scale(block) : HalfBits.ToSingle(Unsafe.ReadUnaligned<ushort>(block + T.ScaleAt)));
            ushort offsetScale = !T.HasOffsets ? (ushort)0 : Unsafe.ReadUnaligned<ushort>(block + T.ScaleAt + sizeof(ushort));
            for (int part = 0; part < blockElements / PartElements; part++, target += PartElements)
            {
                T.Integers(block, part, out Vector256<short> first, out Vector256<short> second);
                Store(first, scale, target);
                Store(second, scale, target + 16);
                if (!T.HasOffsets) continue;
                for (int from = 0; from < PartElements; from += T.OffsetElements)
                {
                    int offset = T.Offset(block, ((part * PartElements) + from) / T.OffsetElements);
                    Add(HalfBits.ToSingle(offsetScale) * offset, target + from, T.OffsetElements);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<short> integers, Vector256<float> scale, float* target)
    {
        (Vector256.ConvertToSingle(Vector256.WidenLower(integers)) * scale).Store(target);
        (Vector256.ConvertToSingle(Vector256.WidenUpper(integers)) * scale).Store(target + 8);
    }

    /// <summary>Scales have so few bits that the products are exact: whether they are fused with this addition makes no difference.</summary>
    private static void Add(float offset, float* target, int elements)
    {
        for (int i = 0; i < elements; i += 8) (Vector256.Load(target + i) + Vector256.Create(offset)).Store(target + i);
    }
}
