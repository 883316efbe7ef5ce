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
}

/// <summary>A format without offsets, whose blocks are multiplied as they lie.</summary>
internal unsafe interface IRowFormat : IBlockFormat
{
    /// <inheritdoc/>
    static bool IBlockFormat.HasOffsets => false;

    /// <inheritdoc/>
    static int IBlockFormat.Offset(byte* block, int index) => 0;

    /// <summary>
    /// Exact sum of the products of a block's integers with signed bytes: the sum of all eight lanes. Which elements a lane adds is the format's choice.
    /// </summary>
    /// <param name="block">The block.</param>
    /// <param name="x">A byte for each element, none of them -128.</param>
    static abstract Vector256<int> Dot(byte* block, sbyte* x);
}

/// <summary>
/// A format of few bits: an integer is a factor times what a level, a number from 0 on, is above <see cref="Bias"/>; or times
/// the number of a table that the level stands for. Rows of it are interleaved for products.
/// </summary>
internal unsafe interface ILevelFormat : IBlockFormat
{
    /// <summary>What levels are above the integers, or what makes the least number of a table 0 or more; 0 where there are offsets.</summary>
    static abstract int Bias { get; }

    /// <summary>Bits of a level, 2 to 6; 4 where levels stand for numbers of a table.</summary>
    static abstract int LevelBits { get; }

    /// <summary>Whether there are factors; without them all are 1.</summary>
    static abstract bool HasFactors { get; }

    /// <summary>Elements that share a factor: 32, or 16.</summary>
    static virtual int FactorElements => BlockRows.PartElements;

    /// <summary>The factor of so many elements, a signed byte; 0 to 15 where offsets are for 16 elements, and these no less than -15.</summary>
    static abstract int Factor(byte* block, int index);

    /// <summary>The levels of a part, a byte each.</summary>
    static abstract Vector256<byte> Levels(byte* block, int part);

    /// <summary>Whether levels stand for numbers of a table.</summary>
    static virtual bool HasTable => false;

    /// <summary>The table.</summary>
    static virtual Vector128<sbyte> Table => default;
}

/// <summary>What follows from the levels of a format.</summary>
internal static unsafe class Levels<T>
    where T : struct, ILevelFormat
{
    /// <summary>See <see cref="IBlockFormat.Integers"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Integers(byte* block, int part, out Vector256<short> first, out Vector256<short> second)
    {
        Vector256<byte> levels = T.Levels(block, part);
        SmallIntegers.Widen(
            T.HasTable ? SmallIntegers.Look(T.Table, levels) : levels.AsSByte() - Vector256.Create((sbyte)T.Bias), out first, out second);
        if (!T.HasFactors) return;
        int together = BlockRows.PartElements / T.FactorElements;
        first *= Vector256.Create((short)T.Factor(block, part * together));
        second *= Vector256.Create((short)T.Factor(block, (part * together) + together - 1));
    }
}
