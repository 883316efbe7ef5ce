using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Products of stored numbers with float vectors: <c>y[t, r] = Σ w[r, c] × x[t, c]</c>, every sum in canonical lanes, so an
/// output has the same bits whichever tile, batch or thread computed it. Tiles of four rows and up to three tokens: twelve chains of
/// additions keep two multiply-add units busy, and every vector that is loaded is used three or four times.
/// </summary>
internal static unsafe class MatrixProduct
{
    /// <summary>Rows of a tile.</summary>
    public const int TileRows = 4;

    private const int TileTokens = 3;

    /// <summary>Inputs that stay in the second-level cache while all rows of a share pass by.</summary>
    private const int InputBytes = 512 << 10;

    /// <summary>Floats of scratch memory that a call needs for <paramref name="columns"/> columns.</summary>
    public static int ScratchLength(int columns) => TileRows * Lanes.Pad(columns);

    /// <summary>Multiplies the rows <c>[firstRow, endRow)</c> with every token's vector.</summary>
    /// <param name="weights">The matrix <c>[rows, columns]</c>, not in a type of blocks.</param>
    /// <param name="firstRow">First row.</param>
    /// <param name="endRow">The row after the last.</param>
    /// <param name="x">Inputs, <c>[tokens, columns]</c>.</param>
    /// <param name="tokens">Number of input vectors.</param>
    /// <param name="y">Outputs, <c>[tokens, rows]</c>; only the columns of the given rows are written.</param>
    /// <param name="scratch">At least <see cref="ScratchLength"/> floats that no other thread uses.</param>
    public static void Multiply(WeightMatrix weights, int firstRow, int endRow, float* x, int tokens, float* y, float* scratch)
    {
        int block = Math.Max(TileTokens, InputBytes / (weights.Columns * sizeof(float)) / TileTokens * TileTokens);
        for (int token = 0; token < tokens; token += block)
        {
            int count = Math.Min(block, tokens - token);
            float* input = x + ((long)token * weights.Columns);
            float* output = y + ((long)token * weights.Rows);
            switch (weights.Type)
            {
                case ElementType.F32: Multiply<F32Elements>(weights, firstRow, endRow, input, count, output); break;
                case ElementType.F16: Multiply<F16Elements>(weights, firstRow, endRow, input, count, output, scratch); break;
                case ElementType.BF16: Multiply<BF16Elements>(weights, firstRow, endRow, input, count, output, scratch); break;
                default: throw new NotSupportedException($"{weights.Type} is a type of blocks");
            }
        }
    }

    /// <summary>Copies one row as floats.</summary>
    public static void ReadRow(WeightMatrix weights, int row, float* target)
    {
        byte* source = weights.Row(row);
        switch (weights.Type)
        {
            case ElementType.F32: StoredElements.Convert<F32Elements>(source, target, weights.Columns, source); break;
            case ElementType.F16: StoredElements.Convert<F16Elements>(source, target, weights.Columns, source); break;
            case ElementType.BF16: StoredElements.Convert<BF16Elements>(source, target, weights.Columns, source); break;
            default: BlockRows.Dequantize(weights.Type, source, target, weights.Columns); break;
        }
    }

    /// <summary>Short weights: converted in passing for a single token, beforehand for several.</summary>
    private static void Multiply<T>(WeightMatrix weights, int firstRow, int endRow, float* x, int tokens, float* y, float* scratch)
        where T : struct, IStoredElements
    {
        if (tokens == 1) Multiply<T>(weights, firstRow, endRow, x, tokens, y);
        else MultiplyConverted<T>(weights, firstRow, endRow, x, tokens, y, scratch);
    }

    /// <summary>Converts a tile of rows, and multiplies it as floats.</summary>
    private static void MultiplyConverted<T>(
        WeightMatrix weights, int firstRow, int endRow, float* x, int tokens, float* y, float* scratch)
        where T : struct, IStoredElements
    {
        int columns = weights.Columns;
        int stride = Lanes.Pad(columns);
        for (int row = firstRow; row < endRow; row += TileRows)
        {
            int rows = Math.Min(TileRows, endRow - row);
            for (int i = 0; i < rows; i++)
            {
                byte* source = weights.Row(row + i);
                StoredElements.Convert<T>(source, scratch + ((long)i * stride), columns, source + (TileRows * (long)columns * T.Size));
            }

            var tile = new Tile(
                (byte*)scratch, (byte*)(scratch + stride), (byte*)(scratch + (2 * stride)), (byte*)(scratch + (3 * stride)), null, rows, columns);
            Multiply<F32Elements>(in tile, x, tokens, y + row, weights.Rows);
        }
    }

    private static void Multiply<T>(WeightMatrix weights, int firstRow, int endRow, float* x, int tokens, float* y)
        where T : struct, IStoredElements
    {
        for (int row = firstRow; row < endRow; row += TileRows)
        {
            int rows = Math.Min(TileRows, endRow - row);
            byte* first = weights.Row(row), last = weights.Row(row + rows - 1);
            var tile = new Tile(
                first, rows > 1 ? weights.Row(row + 1) : last, rows > 2 ? weights.Row(row + 2) : last, last,
                first + (TileRows * (long)weights.Columns * T.Size), rows, weights.Columns);
            Multiply<T>(in tile, x, tokens, y + row, weights.Rows);
        }
    }

    private static void Multiply<T>(in Tile tile, float* x, int tokens, float* y, long yStride)
        where T : struct, IStoredElements
    {
        int end = tile.Columns / Lanes.Count * Lanes.Count;
        Vector256<float>* lanes = stackalloc Vector256<float>[TileTokens * TileRows];
        // The next tile is asked for in as many pieces as there are passes over this one.
        byte* next = tile.Next;
        int piece = TileRows * tile.Columns * T.Size / Math.Max(1, tokens / TileTokens);
        int token = 0;
        while (token < tokens)
        {
            if (tokens > 1 && next is not null) Prefetch.Next(ref next, piece);
            int count = tokens - token >= TileTokens ? TileTokens : 1;
            if (count == TileTokens) MultiplyThree<T>(in tile, x, end, lanes);
            else if (tokens == 1 && typeof(T) == typeof(F32Elements)) MultiplyRows(in tile, x, end, lanes);
            else MultiplyOne<T>(in tile, x, end, lanes);
            for (int i = 0; i < count; i++, token++, x += tile.Columns, y += yStride)
                Finish<T>(in tile, end, x, lanes + (i * TileRows), y);
        }
    }

    /// <summary>Four rows with three tokens: the lanes of four sums for each token.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyThree<T>(in Tile tile, float* x, int end, Vector256<float>* lanes)
        where T : struct, IStoredElements
    {
        byte* row0 = tile.Row0;
        byte* row1 = tile.Row1;
        byte* row2 = tile.Row2;
        byte* row3 = tile.Row3;
        float* x0 = x;
        float* x1 = x0 + tile.Columns;
        float* x2 = x1 + tile.Columns;
        Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default;
        Vector256<float> b0 = default, b1 = default, b2 = default, b3 = default;
        Vector256<float> c0 = default, c1 = default, c2 = default, c3 = default;
        for (nuint i = 0; i < (nuint)end; i += Lanes.Count)
        {
            nuint offset = i * (nuint)T.Size;
            Vector256<float> inputA = Vector256.Load(x0 + i);
            Vector256<float> inputB = Vector256.Load(x1 + i);
            Vector256<float> inputC = Vector256.Load(x2 + i);
            Vector256<float> weight = T.Load(row0 + offset);
            a0 = Vector256.FusedMultiplyAdd(weight, inputA, a0);
            b0 = Vector256.FusedMultiplyAdd(weight, inputB, b0);
            c0 = Vector256.FusedMultiplyAdd(weight, inputC, c0);
            weight = T.Load(row1 + offset);
            a1 = Vector256.FusedMultiplyAdd(weight, inputA, a1);
            b1 = Vector256.FusedMultiplyAdd(weight, inputB, b1);
            c1 = Vector256.FusedMultiplyAdd(weight, inputC, c1);
            weight = T.Load(row2 + offset);
            a2 = Vector256.FusedMultiplyAdd(weight, inputA, a2);
            b2 = Vector256.FusedMultiplyAdd(weight, inputB, b2);
            c2 = Vector256.FusedMultiplyAdd(weight, inputC, c2);
            weight = T.Load(row3 + offset);
            a3 = Vector256.FusedMultiplyAdd(weight, inputA, a3);
            b3 = Vector256.FusedMultiplyAdd(weight, inputB, b3);
            c3 = Vector256.FusedMultiplyAdd(weight, inputC, c3);
        }

        lanes[0] = a0;
        lanes[1] = a1;
        lanes[2] = a2;
        lanes[3] = a3;
        lanes[4] = b0;
        lanes[5] = b1;
        lanes[6] = b2;
        lanes[7] = b3;
        lanes[8] = c0;
        lanes[9] = c1;
        lanes[10] = c2;
        lanes[11] = c3;
    }

    /// <summary>
    /// Four rows with one token, one row after the other: the case of decoding, where memory is the limit. One stream of addresses is
    /// what the processor foresees best, and one chain of additions keeps up with it.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyRows(in Tile tile, float* x, int end, Vector256<float>* lanes)
    {
        for (int row = 0; row < tile.Rows; row++)
        {
            float* weights = (float*)(row == 0 ? tile.Row0 : row == 1 ? tile.Row1 : row == 2 ? tile.Row2 : tile.Row3);
            Vector256<float> sums = default;
            for (nuint i = 0; i < (nuint)end; i += Lanes.Count)
                sums = Vector256.FusedMultiplyAdd(Vector256.Load(weights + i), Vector256.Load(x + i), sums);
            lanes[row] = sums;
        }
    }

    /// <summary>Four rows with one token, where a chain of additions would keep the rest waiting.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyOne<T>(in Tile tile, float* x, int end, Vector256<float>* lanes)
        where T : struct, IStoredElements
    {
        byte* row0 = tile.Row0;
        byte* row1 = tile.Row1;
        byte* row2 = tile.Row2;
        byte* row3 = tile.Row3;
        byte* next = row0 + (TileRows * (row1 - row0));
        Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default;
        for (nuint i = 0; i < (nuint)end; i += Lanes.Count)
        {
            Prefetch.Next(ref next, TileRows * Lanes.Count * T.Size);
            nuint offset = i * (nuint)T.Size;
            Vector256<float> input = Vector256.Load(x + i);
            a0 = Vector256.FusedMultiplyAdd(T.Load(row0 + offset), input, a0);
            a1 = Vector256.FusedMultiplyAdd(T.Load(row1 + offset), input, a1);
            a2 = Vector256.FusedMultiplyAdd(T.Load(row2 + offset), input, a2);
            a3 = Vector256.FusedMultiplyAdd(T.Load(row3 + offset), input, a3);
        }

        lanes[0] = a0;
        lanes[1] = a1;
        lanes[2] = a2;
        lanes[3] = a3;
    }

    /// <summary>Adds the columns beyond the last whole vector, adds up the lanes and stores one output for each row of the tile.</summary>
    private static void Finish<T>(in Tile tile, int done, float* x, Vector256<float>* lanes, float* y)
        where T : struct, IStoredElements
    {
        if (done < tile.Columns)
        {
            int rest = tile.Columns - done;
            Vector256<float> input = Lanes.LoadPartial(x + done, rest);
            int offset = done * T.Size;
            lanes[0] = Vector256.FusedMultiplyAdd(StoredElements.LoadPartial<T>(tile.Row0 + offset, rest), input, lanes[0]);
            lanes[1] = Vector256.FusedMultiplyAdd(StoredElements.LoadPartial<T>(tile.Row1 + offset, rest), input, lanes[1]);
            lanes[2] = Vector256.FusedMultiplyAdd(StoredElements.LoadPartial<T>(tile.Row2 + offset, rest), input, lanes[2]);
            lanes[3] = Vector256.FusedMultiplyAdd(StoredElements.LoadPartial<T>(tile.Row3 + offset, rest), input, lanes[3]);
        }

        Vector128<float> outputs = Lanes.SumEach(lanes[0], lanes[1], lanes[2], lanes[3]);
        if (tile.Rows == TileRows) outputs.Store(y);
        else for (int i = 0; i < tile.Rows; i++) y[i] = outputs.GetElement(i);
    }

    /// <summary>Up to four rows of a matrix; those beyond <see cref="Rows"/> repeat one that is there, and their outputs are not stored.</summary>
    private readonly struct Tile(byte* row0, byte* row1, byte* row2, byte* row3, byte* next, int rows, int columns)
    {
        public readonly byte* Row0 = row0;
        public readonly byte* Row1 = row1;
        public readonly byte* Row2 = row2;
        public readonly byte* Row3 = row3;

        /// <summary>What the memory is asked for meanwhile; null for rows that were converted, whose source was asked for then.</summary>
        public readonly byte* Next = next;

        public readonly int Rows = rows;
        public readonly int Columns = columns;
    }
}
