using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;

namespace Llama.Model.Kernels;

/// <summary>
/// Products of interleaved rows of numbers (<see cref="VectorRows"/>) with a few tokens in 512-bit vectors, two rows in each: the case of
/// decoding, where weights come from memory and pass by once, tile after tile in one stream, for all tokens. Where tokens are fewer than a
/// kernel's, the last one is computed several times.
/// </summary>
internal static unsafe class WideRows
{
    /// <summary>Most tokens that are served in one pass.</summary>
    public const int MostTokens = 8;

    /// <summary>How many bytes further on the memory is asked for what comes: in the time of a few kilobytes it answers.</summary>
    private const int Ahead = 12 << 10;

    private const int TileRows = MatrixProduct.TileRows;

    /// <summary>Four rows of each of four tokens; see <see cref="Lanes"/>.</summary>
    private static Vector512<int> Order => Vector512.Create(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);

    /// <summary>Multiplies rows with a few tokens' vectors, as many as are whole tiles.</summary>
    /// <param name="weights">The matrix, interleaved.</param>
    /// <param name="firstRow">First row, a multiple of four.</param>
    /// <param name="endRow">The row after the last.</param>
    /// <param name="x">Inputs, <c>[tokens, columns]</c>.</param>
    /// <param name="tokens">1 to <see cref="MostTokens"/>.</param>
    /// <param name="y">Outputs, <c>[tokens, rows]</c>; only those of the given rows are written.</param>
    /// <returns>The first row that was left out.</returns>
    public static int Multiply<T>(WeightMatrix weights, int firstRow, int endRow, float* x, int tokens, float* y)
        where T : struct, IStoredElements
    {
        int tiles = (endRow - firstRow) / TileRows, last = tokens - 1;
        byte* tile = VectorRows.Tile(weights, firstRow);
        if (tokens > 4) MultiplyEight<T>(tile, tiles, weights.Columns, x, last, y + firstRow, weights.Rows);
        else if (tokens > 2) MultiplyFour<T>(tile, tiles, weights.Columns, x, last, y + firstRow, weights.Rows);
        else MultiplyTwo<T>(tile, tiles, weights.Columns, x, last, y + firstRow, weights.Rows);
        return firstRow + (tiles * TileRows);
    }

    /// <summary>Converts columns of a tile: a vector of each row, then the next of each.</summary>
    /// <param name="source">The tile, from one of its columns on.</param>
    /// <param name="target">Receives them.</param>
    /// <param name="count">How many columns, a multiple of <see cref="VectorRows.Columns"/>.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Convert<T>(byte* source, float* target, int count)
        where T : struct, IStoredElements
    {
        const int Vector = TileRows * Lanes.Count;
        for (int i = 0; i < count; i += VectorRows.Columns, source += 2 * Vector * T.Size, target += 2 * Vector)
        {
            Load<T>(source, 0, out Vector512<float> first0, out Vector512<float> second0);
            Load<T>(source, 1, out Vector512<float> first1, out Vector512<float> second1);
            first0.Store(target);
            first1.Store(target + (Vector / 2));
            second0.Store(target + Vector);
            second1.Store(target + Vector + (Vector / 2));
        }
    }

    /// <summary>One or two tokens.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyTwo<T>(byte* tile, int tiles, int columns, float* x, int last, float* y, long yStride)
        where T : struct, IStoredElements
    {
        nint step = TileRows * VectorRows.Columns * T.Size;
        float* x1 = x + ((long)Math.Min(1, last) * columns);
        for (; tiles > 0; tiles--, y += TileRows)
        {
            Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default;
            for (nuint i = 0; i < (nuint)columns; i += VectorRows.Columns, tile += step)
            {
                Prefetch.Near(tile + Ahead, (int)step);
                Load<T>(tile, 0, out Vector512<float> first0, out Vector512<float> second0);
                Load<T>(tile, 1, out Vector512<float> first1, out Vector512<float> second1);
                Add(x + i, first0, second0, first1, second1, ref a0, ref a1);
                Add(x1 + i, first0, second0, first1, second1, ref b0, ref b1);
            }

            Store(Lanes.SumEach(a0, a1, b0, b1, a0, a1, b0, b1, Order), y, yStride, last);
        }
    }

    /// <summary>Three or four tokens.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyFour<T>(byte* tile, int tiles, int columns, float* x, int last, float* y, long yStride)
        where T : struct, IStoredElements
    {
        nint step = TileRows * VectorRows.Columns * T.Size;
        float* x1 = x + ((long)Math.Min(1, last) * columns);
        float* x2 = x + ((long)Math.Min(2, last) * columns);
        float* x3 = x + ((long)Math.Min(3, last) * columns);
        for (; tiles > 0; tiles--, y += TileRows)
        {
            Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default, d0 = default, d1 = default;
            for (nuint i = 0; i < (nuint)columns; i += VectorRows.Columns, tile += step)
            {
                Prefetch.Near(tile + Ahead, (int)step);
                Load<T>(tile, 0, out Vector512<float> first0, out Vector512<float> second0);
                Load<T>(tile, 1, out Vector512<float> first1, out Vector512<float> second1);
                Add(x + i, first0, second0, first1, second1, ref a0, ref a1);
                Add(x1 + i, first0, second0, first1, second1, ref b0, ref b1);
                Add(x2 + i, first0, second0, first1, second1, ref c0, ref c1);
                Add(x3 + i, first0, second0, first1, second1, ref d0, ref d1);
            }

            Store(Lanes.SumEach(a0, a1, b0, b1, c0, c1, d0, d1, Order), y, yStride, last);
        }
    }

    /// <summary>Five to eight tokens.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyEight<T>(byte* tile, int tiles, int columns, float* x, int last, float* y, long yStride)
        where T : struct, IStoredElements
    {
        nint step = TileRows * VectorRows.Columns * T.Size;
        float* x1 = x + ((long)Math.Min(1, last) * columns);
        float* x2 = x + ((long)Math.Min(2, last) * columns);
        float* x3 = x + ((long)Math.Min(3, last) * columns);
        float* x4 = x + ((long)Math.Min(4, last) * columns);
        float* x5 = x + ((long)Math.Min(5, last) * columns);
        float* x6 = x + ((long)Math.Min(6, last) * columns);
        float* x7 = x + ((long)Math.Min(7, last) * columns);
        for (; tiles > 0; tiles--, y += TileRows)
        {
            Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default, d0 = default, d1 = default;
            Vector512<float> e0 = default, e1 = default, f0 = default, f1 = default, g0 = default, g1 = default, h0 = default, h1 = default;
            for (nuint i = 0; i < (nuint)columns; i += VectorRows.Columns, tile += step)
            {
                Prefetch.Near(tile + Ahead, (int)step);
                Load<T>(tile, 0, out Vector512<float> first0, out Vector512<float> second0);
                Load<T>(tile, 1, out Vector512<float> first1, out Vector512<float> second1);
                Add(x + i, first0, second0, first1, second1, ref a0, ref a1);
                Add(x1 + i, first0, second0, first1, second1, ref b0, ref b1);
                Add(x2 + i, first0, second0, first1, second1, ref c0, ref c1);
                Add(x3 + i, first0, second0, first1, second1, ref d0, ref d1);
                Add(x4 + i, first0, second0, first1, second1, ref e0, ref e1);
                Add(x5 + i, first0, second0, first1, second1, ref f0, ref f1);
                Add(x6 + i, first0, second0, first1, second1, ref g0, ref g1);
                Add(x7 + i, first0, second0, first1, second1, ref h0, ref h1);
            }

            Store(Lanes.SumEach(a0, a1, b0, b1, c0, c1, d0, d1, Order), y, yStride, last);
            Store(Lanes.SumEach(e0, e1, f0, f1, g0, g1, h0, h1, Order), y + (4 * yStride), yStride, last - 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load<T>(byte* tile, int pair, out Vector512<float> first, out Vector512<float> second)
        where T : struct, IStoredElements
    {
        T.LoadPair(tile, pair, out first, out second);
        if (T.Scale == 1) return;
        first *= Vector512.Create(T.Scale);
        second *= Vector512.Create(T.Scale);
    }

    /// <summary>Sixteen columns of four rows with a token's.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(
        float* x, Vector512<float> first0, Vector512<float> second0, Vector512<float> first1, Vector512<float> second1,
        ref Vector512<float> sum0, ref Vector512<float> sum1)
    {
        Vector512<float> first = WideProduct.Both(x), second = WideProduct.Both(x + Lanes.Count);
        sum0 = Vector512.FusedMultiplyAdd(second0, second, Vector512.FusedMultiplyAdd(first0, first, sum0));
        sum1 = Vector512.FusedMultiplyAdd(second1, second, Vector512.FusedMultiplyAdd(first1, first, sum1));
    }

    /// <summary>Four outputs of each of up to four tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<float> sums, float* y, long stride, int last)
    {
        sums.GetLower().GetLower().Store(y);
        if (last > 0) sums.GetLower().GetUpper().Store(y + stride);
        if (last > 1) sums.GetUpper().GetLower().Store(y + (2 * stride));
        if (last > 2) sums.GetUpper().GetUpper().Store(y + (3 * stride));
    }
}
