using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

/// <summary>
/// A block of elements that share scales, in parts of 32. An element is <c>scale × integer + offset scale × offset</c>: both scales
/// are the block's, numbers in half precision; the offset is one integer for a part; the factors that a format has for fewer elements
/// than a block are multiplied into the integers.
/// </summary>
internal unsafe interface IBlockFormat
{
    /// <summary>The type, which says the sizes.</summary>
    static abstract ElementType Type { get; }

    /// <summary>Bytes before the scale.</summary>
    static abstract int ScaleAt { get; }

    /// <summary>Whether there are offsets; their scale follows the other one.</summary>
    static abstract bool HasOffsets { get; }

    /// <summary>The offset of a part, 0 in formats that have none.</summary>
    static abstract int Offset(byte* block, int part);

    /// <summary>The integers of a part, at most 2^12 in magnitude.</summary>
    /// <param name="block">The block.</param>
    /// <param name="part">Which part.</param>
    /// <param name="first">Integers 0 to 15.</param>
    /// <param name="second">Integers 16 to 31.</param>
    static abstract void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second);

    /// <summary>
    /// Exact sums of the products of two blocks' integers with signed bytes. Which elements a lane adds is the format's choice: the sum of
    /// the lower four lanes is the first block's result, that of the upper four the second's.
    /// </summary>
    /// <param name="a">First block.</param>
    /// <param name="b">Second block.</param>
    /// <param name="x">A byte for each element, none of them -128.</param>
    /// <param name="sums">The sum of the bytes of each part.</param>
    /// <param name="offsets">In the same way, the sums of the products of the parts' offsets with <paramref name="sums"/>.</param>
    static abstract Vector256<int> Dot(byte* a, byte* b, sbyte* x, short* sums, out Vector256<int> offsets);
}
