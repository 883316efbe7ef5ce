using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// How rows of four-bit weights lie in memory for products: eight rows side by side, block after block, so that a vector holds four
/// columns of each of them and no sum crosses lanes. A block of eight rows has their scales; their offsets' scales, where the format
/// has them; where it has factors, eight of them for each part, and the offsets of every two parts in pairs; and for each part of 32
/// columns four vectors, whose vector v has columns 4 v to 4 v + 3 of each row in its lower nibbles, and those 16 further on in its upper ones.
/// </summary>
/// <typeparam name="T">The format.</typeparam>
internal static unsafe class InterleavedRows<T>
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

    /// <summary>A matrix of the same weights whose rows lie so; rows that the last eight lack are zeros.</summary>
    /// <param name="matrix">The matrix as it is stored.</param>
    /// <param name="threads">Threads to work on.</param>
    /// <exception cref="OutOfMemoryException">There is no memory for it.</exception>
    public static WeightMatrix Of(WeightMatrix matrix, int threads)
    {
        int groups = (matrix.Rows + Lanes.Count - 1) / Lanes.Count, blocks = matrix.Columns / T.Type.BlockElements();
        long groupBytes = (long)blocks * BlockBytes;
        var memory = new NativeBuffer(((groups * groupBytes) + sizeof(float) - 1) / sizeof(float));
        Parallel.For(0, groups, new ParallelOptions { MaxDegreeOfParallelism = threads }, group =>
        {
            byte** rows = stackalloc byte*[Lanes.Count];
            int first = group * Lanes.Count, count = Math.Min(Lanes.Count, matrix.Rows - first);
            matrix.ListRows(first, count, rows, count);
            byte* target = (byte*)memory.Pointer + (group * groupBytes);
            for (int block = 0; block < blocks; block++, target += BlockBytes)
            {
                LayOut(rows, count, target);
                for (int r = 0; r < count; r++) rows[r] += T.Type.BlockBytes();
            }
        });
        return new WeightMatrix(matrix.Name, matrix.Type, matrix.Rows, matrix.Columns, memory, groupBytes);
    }

    /// <summary>Lays out a block of up to eight rows in memory that is zero.</summary>
    private static void LayOut(byte** rows, int count, byte* target)
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
