using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// How eight interleaved rows of four-bit weights lie. A block has their scales; their offsets' scales, where the format has them; where it
/// has factors, eight of them for each part, and the offsets of every two parts in pairs; and for each part of 32 columns four vectors,
/// whose vector v has columns 4 v to 4 v + 3 of each row in its lower nibbles, and those 16 further on in its upper ones.
/// </summary>
/// <typeparam name="T">The format.</typeparam>
internal static unsafe class NibbleRows<T>
    where T : struct, ILevelFormat
{
    /// <summary>Bytes of a part's levels.</summary>
    public const int PartBytes = Lanes.Count * PartElements / 2;

    private const int PartElements = BlockRows.PartElements;

    /// <summary>Parts of a block.</summary>
    public static int Parts
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => T.Type.BlockElements() / PartElements;
    }

    /// <summary>Where in a block the factors begin, behind one or two half-precision numbers of each row.</summary>
    public static int FactorsAt
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Lanes.Count * sizeof(ushort) * (T.HasOffsets ? 2 : 1);
    }

    /// <summary>Where in a block the offsets begin.</summary>
    public static int OffsetsAt
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => FactorsAt + (T.HasFactors ? Parts * Lanes.Count : 0);
    }

    /// <summary>Where in a block the levels begin.</summary>
    public static int LevelsAt
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => OffsetsAt + (T.HasFactors && T.HasOffsets ? Parts * Lanes.Count : 0);
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
            LayOutBlock(rows, count, target);
            for (int r = 0; r < count; r++) rows[r] += T.Type.BlockBytes();
        }
    }

    private static void LayOutBlock(byte** rows, int count, byte* target)
    {
        for (int r = 0; r < count; r++)
        {
            ((ushort*)target)[r] = Unsafe.ReadUnaligned<ushort>(rows[r] + T.ScaleAt);
            if (T.HasOffsets) ((ushort*)target)[Lanes.Count + r] = Unsafe.ReadUnaligned<ushort>(rows[r] + T.ScaleAt + sizeof(ushort));
            for (int part = 0; T.HasFactors && part < Parts; part++)
            {
                target[FactorsAt + (part * Lanes.Count) + r] = (byte)T.Factor(rows[r], part);
                target[OffsetsAt + (part / 2 * 2 * Lanes.Count) + (2 * r) + (part % 2)] = (byte)T.Offset(rows[r], part);
            }
        }

        int* levels = (int*)(target + LevelsAt);
        for (int part = 0; part < Parts; part++, levels += PartBytes / sizeof(int))
        {
            for (int r = 0; r < count; r++)
            {
                Vector256<byte> bytes = T.Levels(rows[r], part);
                Vector128<int> nibbles = (bytes.GetLower() | (bytes.GetUpper() << 4)).AsInt32();
                for (int v = 0; v < Vector128<int>.Count; v++) levels[(v * Lanes.Count) + r] = nibbles.GetElement(v);
            }
        }
    }
}
