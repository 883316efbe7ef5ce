using Llama.Model.Kernels;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.KeyValueCache;

/// <summary>Keys and values as they are kept: rounded as weights of the same type are (<see cref="RowQuantizer"/>).</summary>
internal static unsafe class KvRows
{
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
        else if (type == ElementType.BF16) StoredElements.Convert<BF16Elements>(source, scratch, count);
        else BlockRows.Dequantize(type, source, scratch, count);
        return scratch;
    }
}
