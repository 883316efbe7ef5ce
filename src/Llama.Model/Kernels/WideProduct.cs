using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama.Model.Weights;

namespace Llama.Model.Kernels;

/// <summary>
/// The products of <see cref="MatrixProduct"/> for several tokens in 512-bit vectors: a vector holds the eight lanes of two rows and meets a
/// token's inputs in both halves, so every sum is the same sum. Tiles of eight rows and six tokens: 24 chains of additions in 32 registers.
/// Where tokens are fewer, the last one is computed several times.
/// </summary>
internal static unsafe class WideProduct
{
    /// <summary>Rows of a tile: two of <see cref="MatrixProduct"/>'s.</summary>
    public const int Rows = 2 * MatrixProduct.TileRows;

    /// <summary>Tokens of a tile.</summary>
    public const int Tokens = 6;

    /// <summary>Vectors of a tile's rows.</summary>
    private const int Pairs = Rows / 2;

    /// <summary>Columns of a tile, so that it stays in the first-level cache beside the inputs that pass by.</summary>
    private const int BlockColumns = 768;

    /// <summary>Floats of scratch memory that a call needs: a tile's weights, and the lanes of its sums.</summary>
    public static int ScratchLength(int tokens) =>
        (Rows * BlockColumns) + ((tokens + Tokens) * Pairs * Vector512<float>.Count) + Vector512<float>.Count;

    /// <summary>Multiplies rows with several tokens' vectors, as many as are whole tiles.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="firstRow">First row.</param>
    /// <param name="endRow">The row after the last.</param>
    /// <param name="x">Inputs, <c>[tokens, columns]</c>.</param>
    /// <param name="tokens">Number of input vectors.</param>
    /// <param name="y">Outputs, <c>[tokens, rows]</c>.</param>
    /// <param name="scratch">At least <see cref="ScratchLength"/> floats that no other thread uses.</param>
    /// <returns>The first row that was left out.</returns>
    public static int Multiply<T>(WeightMatrix rows, int firstRow, int endRow, float* x, int tokens, float* y, float* scratch)
        where T : struct, IStoredElements
    {
        scratch = (float*)(((nint)scratch + 63) & ~63);
        Vector512<float>* lanes = (Vector512<float>*)(scratch + (Rows * BlockColumns));
        byte** places = stackalloc byte*[Rows];
        int row = firstRow;
        for (; row <= endRow - Rows; row += Rows)
        {
            if (rows.IsInterleaved)
            {
                places[0] = VectorRows.Tile(rows, row);
                places[MatrixProduct.TileRows] = VectorRows.Tile(rows, row + MatrixProduct.TileRows);
            }
            else
            {
                rows.ListRows(row, Rows, places, Rows);
            }

            MultiplyTile<T>(places, rows.IsInterleaved, rows.Columns, x, tokens, lanes, scratch, y + row, rows.Rows);
        }

        return row;
    }

    /// <summary>Eight rows with all tokens, some columns at a time, which are first copied as floats unless they lie so.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyTile<T>(
        byte** places, bool interleaved, int columns, float* x, int tokens, Vector512<float>* lanes, float* scratch, float* y, long yStride)
        where T : struct, IStoredElements
    {
        byte* next = places[0] + ((long)Rows * columns * T.Size);
        for (int first = 0; first < columns; first += BlockColumns)
        {
            int count = Math.Min(BlockColumns, columns - first);
            float* a = scratch, b = scratch + (MatrixProduct.TileRows * BlockColumns);
            if (interleaved && typeof(T) == typeof(F32Elements))
            {
                a = (float*)places[0] + (MatrixProduct.TileRows * first);
                b = (float*)places[MatrixProduct.TileRows] + (MatrixProduct.TileRows * first);
            }
            else if (interleaved)
            {
                WideRows.Convert<T>(places[0] + (MatrixProduct.TileRows * (long)first * T.Size), a, count);
                WideRows.Convert<T>(places[MatrixProduct.TileRows] + (MatrixProduct.TileRows * (long)first * T.Size), b, count);
            }
            else
            {
                for (int r = 0; r < Rows; r++)
                {
                    float* target = (r < MatrixProduct.TileRows ? a : b) + (r % MatrixProduct.TileRows * Lanes.Count);
                    MatrixProduct.Interleave<T>(places[r] + ((long)first * T.Size), target, count);
                }
            }

            bool goesOn = first > 0, ends = first + count == columns;
            int passes = (tokens + Tokens - 1) / Tokens;

            // The next tile is asked for in as many pieces as there are passes over this one, with each vector a few bytes.
            nint ahead = ((Rows * Lanes.Count * T.Size) + passes - 1) / passes;
            for (int token = 0; token < tokens; token += Tokens)
            {
                float* inputs = x + ((long)token * columns) + first;
                float* output = ends ? y + (token * yStride) : null;
                int last = Math.Min(Tokens, tokens - token) - 1;
                MultiplySix(a, b, inputs, columns, last, count, next, ahead, lanes + (token * Pairs), goesOn, output, yStride);
                next += ahead * (count / Lanes.Count);
            }
        }
    }

    /// <summary>
    /// Eight rows with six tokens: the lanes of eight sums for each go on, or begin with zeros without being read. They are added up and stored as
    /// outputs, or stay lanes where there is no place for outputs.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplySix(
        float* tileA, float* tileB, float* x, nint stride, int last, int count, byte* next, nint ahead,
        Vector512<float>* lanes, bool goesOn, float* y, long yStride)
    {
        float* x0 = x;
        float* x1 = x + (Math.Min(1, last) * stride);
        float* x2 = x + (Math.Min(2, last) * stride);
        float* x3 = x + (Math.Min(3, last) * stride);
        float* x4 = x + (Math.Min(4, last) * stride);
        float* x5 = x + (Math.Min(5, last) * stride);
        Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default;
        Vector512<float> b0 = default, b1 = default, b2 = default, b3 = default;
        Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default;
        Vector512<float> d0 = default, d1 = default, d2 = default, d3 = default;
        Vector512<float> e0 = default, e1 = default, e2 = default, e3 = default;
        Vector512<float> f0 = default, f1 = default, f2 = default, f3 = default;
        if (goesOn)
        {
            (a0, a1, a2, a3) = (lanes[0], lanes[1], lanes[2], lanes[3]);
            (b0, b1, b2, b3) = (lanes[4], lanes[5], lanes[6], lanes[7]);
            (c0, c1, c2, c3) = (lanes[8], lanes[9], lanes[10], lanes[11]);
            (d0, d1, d2, d3) = (lanes[12], lanes[13], lanes[14], lanes[15]);
            (e0, e1, e2, e3) = (lanes[16], lanes[17], lanes[18], lanes[19]);
            (f0, f1, f2, f3) = (lanes[20], lanes[21], lanes[22], lanes[23]);
        }

        for (nuint i = 0; i < (nuint)count; i += Lanes.Count, next += ahead)
        {
            Prefetch.Near(next, (int)ahead);
            Vector512<float> weight0 = Vector512.Load(tileA + (4 * i)), weight1 = Vector512.Load(tileA + (4 * i) + 16);
            Vector512<float> weight2 = Vector512.Load(tileB + (4 * i)), weight3 = Vector512.Load(tileB + (4 * i) + 16);
            Vector512<float> input = Both(x0 + i);
            a0 = Vector512.FusedMultiplyAdd(weight0, input, a0);
            a1 = Vector512.FusedMultiplyAdd(weight1, input, a1);
            a2 = Vector512.FusedMultiplyAdd(weight2, input, a2);
            a3 = Vector512.FusedMultiplyAdd(weight3, input, a3);
            input = Both(x1 + i);
            b0 = Vector512.FusedMultiplyAdd(weight0, input, b0);
            b1 = Vector512.FusedMultiplyAdd(weight1, input, b1);
            b2 = Vector512.FusedMultiplyAdd(weight2, input, b2);
            b3 = Vector512.FusedMultiplyAdd(weight3, input, b3);
            input = Both(x2 + i);
            c0 = Vector512.FusedMultiplyAdd(weight0, input, c0);
            c1 = Vector512.FusedMultiplyAdd(weight1, input, c1);
            c2 = Vector512.FusedMultiplyAdd(weight2, input, c2);
            c3 = Vector512.FusedMultiplyAdd(weight3, input, c3);
            input = Both(x3 + i);
            d0 = Vector512.FusedMultiplyAdd(weight0, input, d0);
            d1 = Vector512.FusedMultiplyAdd(weight1, input, d1);
            d2 = Vector512.FusedMultiplyAdd(weight2, input, d2);
            d3 = Vector512.FusedMultiplyAdd(weight3, input, d3);
            input = Both(x4 + i);
            e0 = Vector512.FusedMultiplyAdd(weight0, input, e0);
            e1 = Vector512.FusedMultiplyAdd(weight1, input, e1);
            e2 = Vector512.FusedMultiplyAdd(weight2, input, e2);
            e3 = Vector512.FusedMultiplyAdd(weight3, input, e3);
            input = Both(x5 + i);
            f0 = Vector512.FusedMultiplyAdd(weight0, input, f0);
            f1 = Vector512.FusedMultiplyAdd(weight1, input, f1);
            f2 = Vector512.FusedMultiplyAdd(weight2, input, f2);
            f3 = Vector512.FusedMultiplyAdd(weight3, input, f3);
        }

        if (y is not null)
        {
            Vector512<int> order = Vector512.Create(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            long yLast = last * yStride;
            Store(Lanes.SumEach(a0, a1, a2, a3, b0, b1, b2, b3, order), y, y + Math.Min(yStride, yLast));
            Store(Lanes.SumEach(c0, c1, c2, c3, d0, d1, d2, d3, order), y + Math.Min(2 * yStride, yLast), y + Math.Min(3 * yStride, yLast));
            Store(Lanes.SumEach(e0, e1, e2, e3, f0, f1, f2, f3, order), y + Math.Min(4 * yStride, yLast), y + Math.Min(5 * yStride, yLast));
            return;
        }

        (lanes[0], lanes[1], lanes[2], lanes[3]) = (a0, a1, a2, a3);
        (lanes[4], lanes[5], lanes[6], lanes[7]) = (b0, b1, b2, b3);
        (lanes[8], lanes[9], lanes[10], lanes[11]) = (c0, c1, c2, c3);
        (lanes[12], lanes[13], lanes[14], lanes[15]) = (d0, d1, d2, d3);
        (lanes[16], lanes[17], lanes[18], lanes[19]) = (e0, e1, e2, e3);
        (lanes[20], lanes[21], lanes[22], lanes[23]) = (f0, f1, f2, f3);
    }

    /// <summary>Eight numbers in both halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Both(float* source) => Avx512DQ.BroadcastVector256ToVector512(source);

    /// <summary>Eight outputs of each of two tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<float> sums, float* first, float* second)
    {
        sums.GetLower().Store(first);
        sums.GetUpper().Store(second);
    }
}
