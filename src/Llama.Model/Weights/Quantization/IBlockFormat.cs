using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

/// <summary>
/// A block of elements that share scales, in parts of 32. An element is <c>scale × integer + offset scale × offset</c>: both scales
/// are the block's, numbers in half precision as a rule; the offset is one integer for a part, or for each half of one; the factors that a
/// format has for fewer elements than a block are multiplied into the integers.
/// </summary>
internal unsafe interface IBlockFormat
{
    /// <summary>The type, which says the sizes.</summary>
    static abstract ElementType Type { get; }

    /// <summary>Bytes before the scale in half precision; -1 in formats that have another, which <see cref="Scale"/> tells.</summary>
    static abstract int ScaleAt { get; }

    /// <summary>The scale where <see cref="ScaleAt"/> is -1.</summary>
    static virtual float Scale(byte* block) => throw new NotSupportedException("the scale lies at its place");

    /// <summary>Whether there are offsets; their scale follows the other one.</summary>
    static abstract bool HasOffsets { get; }

    /// <summary>Elements that share an offset: 32, or 16.</summary>
    static virtual int OffsetElements => BlockRows.PartElements;

    /// <summary>The offset of so many elements, 0 in formats that have none.</summary>
    static abstract int Offset(byte* block, int index);

    /// <summary>The integers of a part, at most 2^12 in magnitude.</summary>
    /// <param name="block">The block.</param>
    /// <param name="part">Which part.</param>
    /// <param name="first">Integers 0 to 15.</param>
    /// <param name="second">Integers 16 to 31.</param>
    static abstract void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second);

    /// <summary>What the levels of a format, numbers from 0 on, are above its integers: 0 where integers are stored with their signs.</summary>
    static abstract int Bias { get; }
}

/// <summary>A format whose blocks are multiplied as they lie.</summary>
internal unsafe interface IRowFormat : IBlockFormat
{
    /// <summary>
    /// Exact sum of the products of a block's integers, each with <see cref="IBlockFormat.Bias"/> added, with signed bytes: the sum of all eight lanes.
    /// Which elements a lane adds is the format's choice.
    /// </summary>
    /// <param name="block">The block.</param>
    /// <param name="x">A byte for each element, none of them -128.</param>
    static abstract Vector256<int> Dot(byte* block, sbyte* x);

    /// <summary>Exact sum of the products of the offsets with a number for each: the sum of all four lanes.</summary>
    /// <param name="block">The block.</param>
    /// <param name="sums">The sum of the bytes that share an offset.</param>
    static abstract Vector128<int> DotOffsets(byte* block, short* sums);
}

/// <summary>A format without offsets, whose integers are stored with their signs.</summary>
internal unsafe interface IPlainFormat : IRowFormat
{
    /// <inheritdoc/>
    static bool IBlockFormat.HasOffsets => false;

    /// <inheritdoc/>
    static int IBlockFormat.Offset(byte* block, int index) => 0;

    /// <inheritdoc/>
    static int IBlockFormat.Bias => 0;

    /// <inheritdoc/>
    static Vector128<int> IRowFormat.DotOffsets(byte* block, short* sums) => default;
}

/// <summary>
/// A format of few bits: an integer is a factor of its part times what a level, a number from 0 on, is above <see cref="IBlockFormat.Bias"/>.
/// </summary>
internal unsafe interface ILevelFormat : IBlockFormat
{
    /// <summary>Whether parts have factors; without them all are 1.</summary>
    static abstract bool HasFactors { get; }

    /// <summary>The factor of a part, 0 to 63.</summary>
    static abstract int Factor(byte* block, int part);

    /// <summary>The levels of a part, a byte each.</summary>
    static abstract Vector256<byte> Levels(byte* block, int part);
}

/// <summary>What follows from the levels of a format.</summary>
internal static unsafe class Levels<T>
    where T : struct, ILevelFormat
{
    /// <summary>See <see cref="IBlockFormat.Integers"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second)
    {
        SmallIntegers.Widen(T.Levels(block, part).AsSByte() - Vector256.Create((sbyte)T.Bias), out first, out second);
        if (!T.HasFactors) return;
        Vector256<short> factor = Vector256.Create((short)T.Factor(block, part));
        first *= factor;
        second *= factor;
    }

    /// <summary>Products of a part's levels with signed bytes, neighbours added.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> MultiplyAddPairs(byte* block, int part, sbyte* x) =>
        SmallIntegers.MultiplyAddPairs(T.Levels(block, part), Vector256.Load(x + (part * BlockRows.PartElements)));
}
