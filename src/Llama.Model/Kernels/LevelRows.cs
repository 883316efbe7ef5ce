using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// How eight interleaved rows of levels lie. A block has their scales; their offsets' scales, where the format has them; where it has
/// factors, those of each part, and the offsets in pairs; and for each part of 32 columns the levels' bits. Columns go by fours, as inputs do
/// (<see cref="RoundedInputs.Quads"/>): four columns of eight rows are a vector, and several of these share one of stored bits. Of b bits there are
/// b vectors: vector v has quads v, v + b, and so on, from the lowest bits on. Levels of two, four and one bit lie so, those of other widths as two
/// of these: the lower two or four bits, then the rest.
/// </summary>
/// <typeparam name="T">The format.</typeparam>
internal static unsafe class LevelRows<T>
    where T : struct, ILevelFormat
{
    private const int PartElements = BlockRows.PartElements;

    /// <summary>Parts of a block.</summary>
    public static int Parts
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => T.Type.BlockElements() / PartElements;
    }

    /// <summary>Bits of a level that lie together; the others lie behind them.</summary>
    public static int LowerBits
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => T.LevelBits < 4 ? 2 : 4;
    }

    /// <summary>Bytes of a part's levels.</summary>
    public static int PartBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Lanes.Count * PartElements * T.LevelBits / 8;
    }

    /// <summary>Where in a block the factors begin, behind one or two half-precision numbers of each row.</summary>
    public static int FactorsAt
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Lanes.Count * sizeof(ushort) * (T.HasOffsets ? 2 : 1);
    }

    /// <summary>Whether halves of parts have factors of their own: the two of a row are neighbours.</summary>
    public static bool HasHalfFactors
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => T.HasFactors && T.FactorElements < PartElements;
    }

    /// <summary>Whether a factor and an offset of four bits share a byte, the factor below.</summary>
    public static bool OffsetsShareBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => HasHalfFactors && T.HasOffsets;
    }

    /// <summary>Bytes of a part's factors.</summary>
    public static int FactorBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => HasHalfFactors ? 2 * Lanes.Count : Lanes.Count;
    }

    /// <summary>Inputs whose sum meets an offset. Without factors an offset is its scale, and goes with the halves of a part as well.</summary>
    public static int OffsetElements
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => T.HasFactors ? T.OffsetElements : PartElements / 2;
    }

    /// <summary>Sums of a block's inputs that offsets meet, in pairs.</summary>
    public static int OffsetSums
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => T.HasOffsets ? T.Type.BlockElements() / OffsetElements : 0;
    }

    /// <summary>Where in a block the offsets begin.</summary>
    public static int OffsetsAt
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => OffsetsShareBytes ? FactorsAt : FactorsAt + (T.HasFactors ? Parts * FactorBytes : 0);
    }

    /// <summary>Where in a block the levels begin.</summary>
    public static int LevelsAt
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => OffsetsAt + (OffsetsShareBytes ? Parts * FactorBytes : T.HasFactors ? OffsetSums * Lanes.Count : 0);
    }

    /// <summary>Bytes of a block of eight rows.</summary>
    public static int BlockBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => LevelsAt + (Parts * PartBytes);
    }

    /// <summary>Lays out up to eight rows; see <see cref="InterleavedRows.LayOut"/>.</summary>
    public static void LayOut(byte** rows, int count, int blocks, byte* target)
    {
        for (int block = 0; block < blocks; block++, target += BlockBytes)
        {
            for (int r = 0; r < count; r++)
            {
                LayOutFactors(rows[r], r, target);
                for (int part = 0; part < Parts; part++) LayOutLevels(T.Levels(rows[r], part), (uint*)(target + LevelsAt + (part * PartBytes)) + r);
                rows[r] += T.Type.BlockBytes();
            }
        }
    }

    private static void LayOutFactors(byte* block, int r, byte* target)
    {
        ((ushort*)target)[r] = Unsafe.ReadUnaligned<ushort>(block + T.ScaleAt);
        if (T.HasOffsets) ((ushort*)target)[Lanes.Count + r] = Unsafe.ReadUnaligned<ushort>(block + T.ScaleAt + sizeof(ushort));
        if (!T.HasFactors) return;
        int together = PartElements / T.FactorElements;
        for (int i = 0; i < Parts * together; i++)
            target[FactorsAt + (i / together * FactorBytes) + (r * together) + (i % together)] = (byte)T.Factor(block, i);
        for (int i = 0; i < OffsetSums; i++)
        {
            ref byte place = ref target[OffsetsAt + (i / 2 * 2 * Lanes.Count) + (2 * r) + (i % 2)];
            place = (byte)(OffsetsShareBytes ? place | (-T.Offset(block, i) << 4) : T.Offset(block, i));
        }
    }

    /// <summary>A part of one row.</summary>
    private static void LayOutLevels(Vector256<byte> levels, uint* target)
    {
        Vector256<uint> quads = SmallIntegers.PairHalves(levels).AsUInt32();
        LayOutBits(quads, LowerBits, target);
        if (T.LevelBits > LowerBits) LayOutBits(quads >>> LowerBits, T.LevelBits - LowerBits, target + (LowerBits * Lanes.Count));
    }

    /// <summary>The lowest bits of eight quads: each step puts the second half of what is left beside the first.</summary>
    private static void LayOutBits(Vector256<uint> quads, int bits, uint* target)
    {
        quads &= Vector256.Create(0x01010101u * ((1u << bits) - 1));
        Vector128<uint> packed = quads.GetLower() | (quads.GetUpper() << 4);
        if (bits < 4) packed |= Vector128.Shuffle(packed, Vector128.Create(2u, 3, 2, 3)) << 2;
        if (bits < 2) packed |= Vector128.Shuffle(packed, Vector128.Create(1u, 1, 1, 1)) << 1;
        for (int v = 0; v < bits; v++) target[v * Lanes.Count] = packed.GetElement(v);
    }
}
