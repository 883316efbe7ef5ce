using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Products of stored numbers with float vectors: <c>y[t, r] = Σ w[r, c] × x[t, c]</c>, every sum in canonical lanes, so an
/// output has the same bits whichever tile, batch or thread computed it. Tiles of four rows and up to three tokens: twelve chains of
/// additions keep two multiply-add units busy, and every vector that is loaded is used three or four times. Long rows are taken in
/// blocks of columns, which the first-level cache holds together with the inputs that they meet.
/// </summary>
internal static unsafe class MatrixProduct
{
    /// <summary>Rows of a tile.</summary>
    public const int TileRows = 4;

    private const int TileTokens = 3;

    /// <summary>Columns of a tile.</summary>
    private const int BlockColumns = 768;

    /// <summary>Inputs that stay in the second-level cache while all rows of a share pass by.</summary>
    private const int InputBytes = 512 << 10;

    /// <summary>Floats of scratch memory that a call needs: a tile's weights, and the lanes of its sums.</summary>
    public static int ScratchLength(int tokens) =>
        Math.Max(TileRows * (BlockColumns + (tokens * Lanes.Count)), WideProduct.ScratchLength(tokens));

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
        // Blocks of equal length, in whole tiles of both kinds.
        int most = Math.Max(1, InputBytes / (weights.Columns * sizeof(float))), blocks = (tokens + most - 1) / most;
        int block = ((tokens + blocks - 1) / blocks) + WideProduct.Tokens - 1;
        block -= block % WideProduct.Tokens;
        for (int token = 0; token < tokens; token += block)
        {
            int count = Math.Min(block, tokens - token);
            float* input = x + ((long)token * weights.Columns);
            float* output = y + ((long)token * weights.Rows);
            switch (weights.Type)
            {
                case ElementType.F32: Multiply<F32Elements>(weights, firstRow, endRow, input, count, output, scratch); break;
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
            case ElementType.F32: StoredElements.Convert<F32Elements>(source, target, weights.Columns); break;
            case ElementType.F16: StoredElements.Convert<F16Elements>(source, target, weights.Columns); break;
            case ElementType.BF16: StoredElements.Convert<BF16Elements>(source, target, weights.Columns); break;
            default: BlockRows.Dequantize(weights.Type, source, target, weights.Columns); break;
        }
    }

    private static void Multiply<T>(WeightMatrix weights, int firstRow, int endRow, float* x, int tokens, float* y, float* scratch)
        where T : struct, IStoredElements
    {
        if (weights.IsInterleaved && firstRow % TileRows != 0)
            throw new ArgumentException($"rows from {firstRow} on, in tiles of {TileRows}", nameof(firstRow));
        int row = firstRow;
        if (Instructions.AreWide && weights.IsInterleaved && tokens <= WideRows.MostTokens)
            row = WideRows.Multiply<T>(weights, firstRow, endRow, x, tokens, y);
        else if (Instructions.AreWide && tokens > 1 && weights.Columns % Lanes.Count == 0)
            row = WideProduct.Multiply<T>(weights, firstRow, endRow, x, tokens, y, scratch);
        if (row == endRow) return;
        firstRow = row;
        if (weights.IsInterleaved && tokens == 1 && VectorRows.Takes<T>(x, weights.Columns))
        {
            VectorRows.Multiply<T>(weights, firstRow, endRow, x, y);
            return;
        }

        Vector256<float>* lanes = (Vector256<float>*)(scratch + (TileRows * BlockColumns));
        byte** places = stackalloc byte*[TileRows];
        for (; row < endRow; row += TileRows)
        {
            // Rows beyond the last repeat one that is there; their outputs are not stored.
            int rows = Math.Min(TileRows, endRow - row);
            if (weights.IsInterleaved) places[0] = VectorRows.Tile(weights, row);
            else weights.ListRows(row, rows, places, TileRows);
            var tile = new Tile(places[0], places[1], places[2], places[3], rows, weights.Columns, weights.IsInterleaved);
            if (tokens > 1 || weights.IsInterleaved)
            {
                MultiplyBlocks<T>(in tile, x, tokens, lanes, scratch, y + row, weights.Rows);
                continue;
            }

            if (typeof(T) == typeof(F32Elements)) MultiplyRows(in tile, x, lanes);
            else MultiplyOne<T>(in tile, x, lanes);
            Finish<T>(in tile, x, lanes, y + row);
        }
    }

    /// <summary>
    /// Four rows with several tokens, some columns at a time. These are copied first, as floats and interleaved, unless they lie so: rows of
    /// a matrix often lie a power of two apart, and would drive each other out of the cache.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyBlocks<T>(
        in Tile tile, float* x, int tokens, Vector256<float>* lanes, float* scratch, float* y, long yStride)
        where T : struct, IStoredElements
    {
        byte* next = tile.Row0 + ((long)TileRows * tile.Columns * T.Size);

        // Where one block is all, the lanes of all tokens may lie in one place.
        int lanesStride = tile.End > BlockColumns ? TileRows : 0;
        int first = 0;
        do
        {
            int count = Math.Min(BlockColumns, tile.End - first);
            long offset = (long)first * T.Size;
            float* numbers = scratch;
            if (tile.IsInterleaved)
            {
                byte* columns = tile.Row0 + (TileRows * offset);
                if (typeof(T) == typeof(F32Elements)) numbers = (float*)columns;
                else VectorRows.Convert<T>(columns, scratch, count);
            }
            else
            {
                Interleave<T>(tile.Row0 + offset, scratch, count);
                Interleave<T>(tile.Row1 + offset, scratch + Lanes.Count, count);
                Interleave<T>(tile.Row2 + offset, scratch + (2 * Lanes.Count), count);
                Interleave<T>(tile.Row3 + offset, scratch + (3 * Lanes.Count), count);
            }

            bool isLast = first + count == tile.End;
            bool isWhole = isLast && tile.End == tile.Columns && tile.Rows == TileRows;

            // The next tile is asked for in as many pieces as there are passes over this one, with each vector a few bytes.
            int passes = (tokens + TileTokens - 1) / TileTokens;
            nint ahead = ((TileRows * Lanes.Count * T.Size) + passes - 1) / passes;
            int token = 0;
            while (token < tokens)
            {
                int pass = Math.Min(tokens - token, TileTokens);
                float* inputs = x + ((long)token * tile.Columns);
                Vector256<float>* sums = lanes + (token * lanesStride);
                float* output = y + (token * yStride);
                token += pass;
                if (pass == TileTokens)
                {
                    MultiplyThree(
                        numbers, inputs + first, tile.Columns, count, next, ahead, sums, first > 0, isWhole ? output : null, yStride);
                }
                else
                {
                    if (first == 0) new Span<Vector256<float>>(sums, pass * TileRows).Clear();
                    if (pass == 2) MultiplyTwo(numbers, inputs + first, tile.Columns, count, next, ahead, sums);
                    else MultiplyOne(numbers, inputs + first, count, next, ahead, sums);
                }

                next += ahead * (count / Lanes.Count);
                if (!isLast || (isWhole && pass == TileTokens)) continue;
                for (int i = 0; i < pass; i++, inputs += tile.Columns, sums += TileRows, output += yStride) Finish<T>(in tile, inputs, sums, output);
            }

            first += count;
        }
        while (first < tile.End);
    }

    /// <summary>Converts vectors of a row, with room for those of three others behind each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Interleave<T>(byte* source, float* target, int count)
        where T : struct, IStoredElements
    {
        for (int i = 0; i < count; i += Lanes.Count, source += Lanes.Count * T.Size, target += TileRows * Lanes.Count)
            T.Load(source).Store(target);
    }

    /// <summary>
    /// Four rows with three tokens: the lanes of four sums for each token go on, or begin with zeros without being read. They are added up and
    /// stored as outputs, four for each token, or stay lanes where there is no place for outputs.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyThree(
        float* tile, float* x, int stride, int count, byte* next, nint ahead, Vector256<float>* lanes, bool goesOn,
        float* y, long yStride)
    {
        float* x0 = x;
        float* x1 = x0 + stride;
        float* x2 = x1 + stride;
        Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default;
        Vector256<float> b0 = default, b1 = default, b2 = default, b3 = default;
        Vector256<float> c0 = default, c1 = default, c2 = default, c3 = default;
        if (goesOn)
        {
            a0 = lanes[0];
            a1 = lanes[1];
            a2 = lanes[2];
            a3 = lanes[3];
            b0 = lanes[4];
            b1 = lanes[5];
            b2 = lanes[6];
            b3 = lanes[7];
            c0 = lanes[8];
            c1 = lanes[9];
            c2 = lanes[10];
            c3 = lanes[11];
        }

        for (nuint i = 0; i < (nuint)count; i += Lanes.Count, tile += TileRows * Lanes.Count, next += ahead)
        {
            Prefetch.Near(next, 1);
            Vector256<float> inputA = Vector256.Load(x0 + i);
            Vector256<float> inputB = Vector256.Load(x1 + i);
            Vector256<float> inputC = Vector256.Load(x2 + i);
            Vector256<float> weight = Vector256.Load(tile);
            a0 = Vector256.FusedMultiplyAdd(weight, inputA, a0);
            b0 = Vector256.FusedMultiplyAdd(weight, inputB, b0);
            c0 = Vector256.FusedMultiplyAdd(weight, inputC, c0);
            weight = Vector256.Load(tile + Lanes.Count);
            a1 = Vector256.FusedMultiplyAdd(weight, inputA, a1);
            b1 = Vector256.FusedMultiplyAdd(weight, inputB, b1);
            c1 = Vector256.FusedMultiplyAdd(weight, inputC, c1);
            weight = Vector256.Load(tile + (2 * Lanes.Count));
            a2 = Vector256.FusedMultiplyAdd(weight, inputA, a2);
            b2 = Vector256.FusedMultiplyAdd(weight, inputB, b2);
            c2 = Vector256.FusedMultiplyAdd(weight, inputC, c2);
            weight = Vector256.Load(tile + (3 * Lanes.Count));
            a3 = Vector256.FusedMultiplyAdd(weight, inputA, a3);
            b3 = Vector256.FusedMultiplyAdd(weight, inputB, b3);
            c3 = Vector256.FusedMultiplyAdd(weight, inputC, c3);
        }

        if (y is not null)
        {
            Vector256<float> sums = Lanes.SumEach(a0, a1, a2, a3, b0, b1, b2, b3);
            sums.GetLower().Store(y);
            sums.GetUpper().Store(y + yStride);
            Lanes.SumEach(c0, c1, c2, c3).Store(y + (2 * yStride));
            return;
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

    /// <summary>Four rows with two tokens: the lanes of four sums for each token go on.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyTwo(
        float* tile, float* x, int stride, int count, byte* next, nint ahead, Vector256<float>* lanes)
    {
        float* x1 = x + stride;
        Vector256<float> a0 = lanes[0], a1 = lanes[1], a2 = lanes[2], a3 = lanes[3];
        Vector256<float> b0 = lanes[4], b1 = lanes[5], b2 = lanes[6], b3 = lanes[7];
        for (nuint i = 0; i < (nuint)count; i += Lanes.Count, tile += TileRows * Lanes.Count, next += ahead)
        {
            Prefetch.Near(next, 1);
            Vector256<float> inputA = Vector256.Load(x + i);
            Vector256<float> inputB = Vector256.Load(x1 + i);
            Vector256<float> weight = Vector256.Load(tile);
            a0 = Vector256.FusedMultiplyAdd(weight, inputA, a0);
            b0 = Vector256.FusedMultiplyAdd(weight, inputB, b0);
            weight = Vector256.Load(tile + Lanes.Count);
            a1 = Vector256.FusedMultiplyAdd(weight, inputA, a1);
            b1 = Vector256.FusedMultiplyAdd(weight, inputB, b1);
            weight = Vector256.Load(tile + (2 * Lanes.Count));
            a2 = Vector256.FusedMultiplyAdd(weight, inputA, a2);
            b2 = Vector256.FusedMultiplyAdd(weight, inputB, b2);
            weight = Vector256.Load(tile + (3 * Lanes.Count));
            a3 = Vector256.FusedMultiplyAdd(weight, inputA, a3);
            b3 = Vector256.FusedMultiplyAdd(weight, inputB, b3);
        }

        lanes[0] = a0;
        lanes[1] = a1;
        lanes[2] = a2;
        lanes[3] = a3;
        lanes[4] = b0;
        lanes[5] = b1;
        lanes[6] = b2;
        lanes[7] = b3;
    }

    /// <summary>Four rows with one of several tokens: the lanes of four sums go on.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyOne(
        float* tile, float* x, int count, byte* next, nint ahead, Vector256<float>* lanes)
    {
        Vector256<float> a0 = lanes[0], a1 = lanes[1], a2 = lanes[2], a3 = lanes[3];
        for (nuint i = 0; i < (nuint)count; i += Lanes.Count, tile += TileRows * Lanes.Count, next += ahead)
        {
            Prefetch.Near(next, 1);
            Vector256<float> input = Vector256.Load(x + i);
            a0 = Vector256.FusedMultiplyAdd(Vector256.Load(tile), input, a0);
            a1 = Vector256.FusedMultiplyAdd(Vector256.Load(tile + Lanes.Count), input, a1);
            a2 = Vector256.FusedMultiplyAdd(Vector256.Load(tile + (2 * Lanes.Count)), input, a2);
            a3 = Vector256.FusedMultiplyAdd(Vector256.Load(tile + (3 * Lanes.Count)), input, a3);
        }

        lanes[0] = a0;
        lanes[1] = a1;
        lanes[2] = a2;
        lanes[3] = a3;
    }

    /// <summary>
    /// Four rows with one token, one row after the other: the case of decoding, where memory is the limit. One stream of addresses is
    /// what the processor foresees best, and one chain of additions keeps up with it.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyRows(in Tile tile, float* x, Vector256<float>* lanes)
    {
        for (int row = 0; row < tile.Rows; row++)
        {
            float* weights = (float*)(row == 0 ? tile.Row0 : row == 1 ? tile.Row1 : row == 2 ? tile.Row2 : tile.Row3);
            Vector256<float> sums = default;
            for (nuint i = 0; i < (nuint)tile.End; i += Lanes.Count)
                sums = Vector256.FusedMultiplyAdd(Vector256.Load(weights + i), Vector256.Load(x + i), sums);
            lanes[row] = sums;
        }
    }

    /// <summary>Four rows of short numbers side by side with one token: one chain of additions would not keep up with half the bytes.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyOne<T>(in Tile tile, float* x, Vector256<float>* lanes)
        where T : struct, IStoredElements
    {
        byte* row0 = tile.Row0;
        byte* row1 = tile.Row1;
        byte* row2 = tile.Row2;
        byte* row3 = tile.Row3;
        byte* next = row0 + (TileRows * (row1 - row0));
        Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default;
        for (nuint i = 0; i < (nuint)tile.End; i += Lanes.Count)
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
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<T>(in Tile tile, float* x, Vector256<float>* lanes, float* y)
        where T : struct, IStoredElements
    {
        if (tile.End < tile.Columns)
        {
            int rest = tile.Columns - tile.End, offset = tile.End * T.Size;
            Vector256<float> input = Lanes.LoadPartial(x + tile.End, rest);
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
    private readonly struct Tile(byte* row0, byte* row1, byte* row2, byte* row3, int rows, int columns, bool isInterleaved)
    {
        public readonly byte* Row0 = row0;
        public readonly byte* Row1 = row1;
        public readonly byte* Row2 = row2;
        public readonly byte* Row3 = row3;
        public readonly int Rows = rows;
        public readonly int Columns = columns;

        /// <summary>Whether the first address is that of all rows, as <see cref="VectorRows"/> says.</summary>
        public readonly bool IsInterleaved = isInterleaved;

        /// <summary>Columns in whole vectors.</summary>
        public readonly int End = columns / Lanes.Count * Lanes.Count;
    }
}
