using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// How eight interleaved rows of Q8_0 lie: a block has their scales, and then for every two columns the two bytes of each row.
/// </summary>
internal static unsafe class ByteRows
{
    /// <summary>Where in a block the bytes begin.</summary>
    public const int BytesAt = Lanes.Count * sizeof(ushort);

    /// <summary>Bytes of two columns.</summary>
    public const int PairBytes = Lanes.Count * 2;

    /// <summary>Bytes of a block of eight rows: as many as eight blocks have.</summary>
    public const int BlockBytes = BytesAt + (Columns / 2 * PairBytes);

    private const int Columns = 32;
    private const int StoredBytes = sizeof(ushort) + Columns;

    /// <summary>Lays out up to eight rows; see <see cref="InterleavedRows.LayOut"/>.</summary>
    public static void LayOut(byte** rows, int count, int blocks, byte* target)
    {
        for (int block = 0; block < blocks; block++, target += BlockBytes)
        {
            if (count == Lanes.Count && Sse2.IsSupported) LayOutEight(rows, block * StoredBytes, (ushort*)target);
            else LayOutSome(rows, count, block * StoredBytes, (ushort*)target);
        }
    }

    /// <summary>Lays some blocks of a group out in a panel, whose order of integers is theirs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Widen(byte* group, int firstBlock, int blocks, Panel panel)
    {
        byte* source = group + ((long)firstBlock * BlockBytes);
        for (int block = 0; block < blocks; block++)
        {
            HalfBits.ToSingle(Vector128.Load((ushort*)source)).Store(panel.Scales);
            source += BytesAt;
            for (int pair = 0; pair < Columns / 2; pair++, source += PairBytes, panel.Integers += BlockPanel.Rows * sizeof(int))
                SmallIntegers.Widen(Vector128.Load((sbyte*)source)).Store((short*)panel.Integers);
            panel = panel.NextScales();
        }
    }

    /// <summary>The scale and the pairs are units of 16 bits: unit u of row r goes to place 8 u + r.</summary>
    private static void LayOutSome(byte** rows, int count, nint offset, ushort* target)
    {
        for (int r = 0; r < count; r++)
        {
            for (int unit = 0; unit < StoredBytes / 2; unit++)
                target[(unit * Lanes.Count) + r] = Unsafe.ReadUnaligned<ushort>(rows[r] + offset + (2 * unit));
        }
    }

    private static void LayOutEight(byte** rows, nint offset, ushort* target)
    {
        for (int r = 0; r < Lanes.Count; r++) target[r] = Unsafe.ReadUnaligned<ushort>(rows[r] + offset);
        offset += sizeof(ushort);
        for (int half = 0; half < 2; half++, offset += Vector128<byte>.Count)
        {
            // Pairs of rows, then fours, then all eight.
            target += Lanes.Count;
            Vector128<ushort> r0 = Load(rows[0] + offset), r1 = Load(rows[1] + offset), r2 = Load(rows[2] + offset), r3 = Load(rows[3] + offset);
            Vector128<ushort> r4 = Load(rows[4] + offset), r5 = Load(rows[5] + offset), r6 = Load(rows[6] + offset), r7 = Load(rows[7] + offset);
            Vector128<uint> a0 = Low(r0, r1), a1 = Low(r2, r3), a2 = Low(r4, r5), a3 = Low(r6, r7);
            Store(a0, a1, a2, a3, target);
            Vector128<uint> b0 = High(r0, r1), b1 = High(r2, r3), b2 = High(r4, r5), b3 = High(r6, r7);
            Store(b0, b1, b2, b3, target + (4 * Lanes.Count));
            target += 7 * Lanes.Count;
        }
    }

    private static void Store(Vector128<uint> rows01, Vector128<uint> rows23, Vector128<uint> rows45, Vector128<uint> rows67, ushort* target)
    {
        Vector128<ulong> low = Sse2.UnpackLow(rows01, rows23).AsUInt64(), low2 = Sse2.UnpackLow(rows45, rows67).AsUInt64();
        Vector128<ulong> high = Sse2.UnpackHigh(rows01, rows23).AsUInt64(), high2 = Sse2.UnpackHigh(rows45, rows67).AsUInt64();
        Sse2.UnpackLow(low, low2).AsUInt16().Store(target);
        Sse2.UnpackHigh(low, low2).AsUInt16().Store(target + Lanes.Count);
        Sse2.UnpackLow(high, high2).AsUInt16().Store(target + (2 * Lanes.Count));
        Sse2.UnpackHigh(high, high2).AsUInt16().Store(target + (3 * Lanes.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Load(byte* source) => Vector128.Load(source).AsUInt16();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Low(Vector128<ushort> a, Vector128<ushort> b) => Sse2.UnpackLow(a, b).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> High(Vector128<ushort> a, Vector128<ushort> b) => Sse2.UnpackHigh(a, b).AsUInt32();
}
