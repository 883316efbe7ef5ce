namespace Llama.Model.Weights.Quantization;

/// <summary>A block of elements that share scales.</summary>
internal unsafe interface IBlockFormat
{
    /// <summary>The type, which says the sizes.</summary>
    static abstract ElementType Type { get; }

    /// <summary>Writes the elements of one block as single-precision numbers, each rounded once at most.</summary>
    static abstract void Dequantize(byte* block, float* target);
}

/// <summary>Rows of blocks.</summary>
internal static unsafe class BlockRows
{
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

    private static void Dequantize<T>(byte* source, float* target, int elements)
        where T : struct, IBlockFormat
    {
        int blockElements = T.Type.BlockElements();
        int blockBytes = T.Type.BlockBytes();
        for (int i = 0; i < elements; i += blockElements, source += blockBytes) T.Dequantize(source, target + i);
    }
}
