using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;

namespace Llama.Model.Kernels;

/// <summary>
/// How eight interleaved rows of numbers lie: two tiles of four rows, and in a tile sixteen columns of each row, then the next sixteen:
/// four chains of additions read one stream of addresses. Columns i and i + 8 of sixteen share a 32-bit lane where numbers have 16 bits, the
/// first in its lower half, so that no lanes have to be crossed to widen them. With 32 bits columns 0 to 7 of all four rows come before
/// columns 8 to 15.
/// </summary>
internal static unsafe class VectorRows
{
    /// <summary>Columns of a row that lie together: rows are a multiple of it.</summary>
    public const int Columns = 2 * Lanes.Count;

    private const int TileRows = MatrixProduct.TileRows;

    /// <summary>Lays out up to eight rows; see <see cref="InterleavedRows.LayOut"/>.</summary>
    public static void LayOut(byte** rows, int count, WeightMatrix matrix, byte* target)
    {
        int size = (int)matrix.Type.Bytes(1);
        for (int r = 0; r < count; r++)
        {
            byte* place = target + (r / TileRows * TileRows * (long)matrix.Columns * size);
            for (int column = 0; column < matrix.Columns; column += Columns, place += TileRows * Columns * size)
            {
                if (size == sizeof(float)) LayOut((float*)rows[r] + column, (float*)place, r % TileRows);
                else LayOut((ushort*)rows[r] + column, (ushort*)place, r % TileRows);
            }
        }
    }

    /// <summary>The tile of four rows that begins with one.</summary>
    /// <param name="weights">The matrix, interleaved.</param>
    /// <param name="row">The tile's first row, a multiple of four.</param>
    public static byte* Tile(WeightMatrix weights, int row) =>
        weights.Group(row) + (row % Lanes.Count * weights.Type.Bytes(weights.Columns));

    /// <summary>
    /// Multiplies rows with one vector, tile after tile: one stream of addresses through all of them, and four chains of additions.
    /// </summary>
    /// <param name="weights">The matrix, interleaved.</param>
    /// <param name="firstRow">First row, a multiple of four.</param>
    /// <param name="endRow">The row after the last.</param>
    /// <param name="x">The vector.</param>
    /// <param name="y">Outputs, <c>[rows]</c>; only those of the given rows are written.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<T>(WeightMatrix weights, int firstRow, int endRow, float* x, float* y)
        where T : struct, IStoredElements
    {
        nuint end = (nuint)weights.Columns;
        byte* numbers = Tile(weights, firstRow);
        for (int row = firstRow; row < endRow; row += TileRows)
        {
            Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default;
            for (nuint i = 0; i < end; i += Columns, numbers += TileRows * Columns * T.Size)
            {
                Vector256<float> first = Scaled<T>(Vector256.Load(x + i)), second = Scaled<T>(Vector256.Load(x + i + Lanes.Count));
                T.LoadTwo(numbers, 0, out Vector256<float> weight0, out Vector256<float> weight1);
                a0 = Vector256.FusedMultiplyAdd(weight1, second, Vector256.FusedMultiplyAdd(weight0, first, a0));
                T.LoadTwo(numbers, 1, out weight0, out weight1);
                a1 = Vector256.FusedMultiplyAdd(weight1, second, Vector256.FusedMultiplyAdd(weight0, first, a1));
                T.LoadTwo(numbers, 2, out weight0, out weight1);
                a2 = Vector256.FusedMultiplyAdd(weight1, second, Vector256.FusedMultiplyAdd(weight0, first, a2));
                T.LoadTwo(numbers, 3, out weight0, out weight1);
                a3 = Vector256.FusedMultiplyAdd(weight1, second, Vector256.FusedMultiplyAdd(weight0, first, a3));
            }

            Vector128<float> sums = Lanes.SumEach(a0, a1, a2, a3);
            if (row + TileRows <= endRow) sums.Store(y + row);
            else for (int r = row; r < endRow; r++) y[r] = sums.GetElement(r - row);
        }
    }

    /// <summary>Converts columns of a tile: a vector of each row, then the next of each.</summary>
    /// <param name="source">The tile, from one of its columns on.</param>
    /// <param name="target">Receives them.</param>
    /// <param name="count">How many columns, a multiple of <see cref="Columns"/>.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Convert<T>(byte* source, float* target, int count)
        where T : struct, IStoredElements
    {
        for (int i = 0; i < count; i += Columns, source += TileRows * Columns * T.Size, target += TileRows * Columns)
        {
            for (int row = 0; row < TileRows; row++)
            {
                T.LoadTwo(source, row, out Vector256<float> first, out Vector256<float> second);
                Scaled<T>(first).Store(target + (row * Lanes.Count));
                Scaled<T>(second).Store(target + ((TileRows + row) * Lanes.Count));
            }
        }
    }

    /// <summary>
    /// Whether <see cref="Multiply"/> takes a vector: it multiplies its numbers with <see cref="IStoredElements.Scale"/>, where each serves
    /// four rows, and a number must not become too large by that.
    /// </summary>
    /// <param name="x">The vector.</param>
    /// <param name="count">Its length, a multiple of <see cref="Columns"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool Takes<T>(float* x, int count)
        where T : struct, IStoredElements
    {
        if (T.Scale == 1) return true;
        Vector256<float> limit = Vector256.Create(float.MaxValue / T.Scale), above = default;
        for (int i = 0; i < count; i += Lanes.Count) above |= Vector256.GreaterThan(Vector256.Abs(Vector256.Load(x + i)), limit);
        return Vector256.EqualsAll(above.AsInt32(), Vector256<int>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Scaled<T>(Vector256<float> numbers)
        where T : struct, IStoredElements => T.Scale == 1 ? numbers : numbers * Vector256.Create(T.Scale);

    private static void LayOut(float* source, float* target, int row)
    {
        Vector256.Load(source).Store(target + (row * Lanes.Count));
        Vector256.Load(source + Lanes.Count).Store(target + ((TileRows + row) * Lanes.Count));
    }

    private static void LayOut(ushort* source, ushort* target, int row)
    {
        Vector128<ushort> first = Vector128.Load(source), second = Vector128.Load(source + Lanes.Count);
        Vector256<uint> lower = Vector256.Create(Vector128.WidenLower(first), Vector128.WidenUpper(first));
        Vector256<uint> upper = Vector256.Create(Vector128.WidenLower(second), Vector128.WidenUpper(second));
        (lower | (upper << 16)).Store((uint*)target + (row * Lanes.Count));
    }
}
