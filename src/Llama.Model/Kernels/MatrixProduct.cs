using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Products of stored weight matrices with float vectors: <c>y[t, r] = Σ w[r, c] × x[t, c]</c>, every sum in canonical lanes, so an
/// output has the same bits whichever tile, batch or thread computed it.
/// </summary>
internal static unsafe class MatrixProduct
{
    /// <summary>Rows that a tile takes at once: four independent chains of additions for every token.</summary>
    public const int TileRows = 4;

    /// <summary>Floats of scratch memory that a call needs for <paramref name="columns"/> columns.</summary>
    public static int ScratchLength(int columns) => TileRows * Lanes.Pad(columns);

    /// <summary>Multiplies the rows <c>[firstRow, endRow)</c> with every token's vector.</summary>
    /// <param name="weights">The matrix <c>[rows, columns]</c>.</param>
    /// <param name="firstRow">First row.</param>
    /// <param name="endRow">The row after the last.</param>
    /// <param name="x">Inputs, <c>[tokens, columns]</c>.</param>
    /// <param name="tokens">Number of input vectors.</param>
    /// <param name="y">Outputs, <c>[tokens, rows]</c>; only the columns of the given rows are written.</param>
    /// <param name="scratch">At least <see cref="ScratchLength"/> floats that no other thread uses.</param>
    public static void Multiply(WeightMatrix weights, int firstRow, int endRow, float* x, int tokens, float* y, float* scratch)
    {
        switch (weights.Type)
        {
            case ElementType.F32: Multiply<F32Elements>(weights, firstRow, endRow, x, tokens, y); break;
            case ElementType.F16: Multiply<F16Elements>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            case ElementType.BF16: Multiply<BF16Elements>(weights, firstRow, endRow, x, tokens, y, scratch); break;
            default: MultiplyConverted(weights, firstRow, endRow, x, tokens, y, scratch); break;
        }
    }

    /// <summary>Copies one row as floats.</summary>
    public static void ReadRow(WeightMatrix weights, int row, float* target)
    {
        switch (weights.Type)
        {
            case ElementType.F32: StoredElements.Convert<F32Elements>(weights.Row(row), target, weights.Columns); break;
            case ElementType.F16: StoredElements.Convert<F16Elements>(weights.Row(row), target, weights.Columns); break;
            case ElementType.BF16: StoredElements.Convert<BF16Elements>(weights.Row(row), target, weights.Columns); break;
            default: BlockRows.Dequantize(weights.Type, weights.Row(row), target, weights.Columns); break;
        }
    }

    /// <summary>Short weights: converted in passing for a single token, beforehand for several.</summary>
    private static void Multiply<T>(WeightMatrix weights, int firstRow, int endRow, float* x, int tokens, float* y, float* scratch)
        where T : struct, IStoredElements
    {
        if (tokens == 1) Multiply<T>(weights, firstRow, endRow, x, tokens, y);
        else MultiplyConverted(weights, firstRow, endRow, x, tokens, y, scratch);
    }

    /// <summary>Converts a tile of rows, and multiplies it as floats.</summary>
    private static void MultiplyConverted(WeightMatrix weights, int firstRow, int endRow, float* x, int tokens, float* y, float* scratch)
    {
        int columns = weights.Columns;
        int stride = Lanes.Pad(columns);
        for (int row = firstRow; row < endRow; row += TileRows)
        {
            int rows = Math.Min(TileRows, endRow - row);
            for (int i = 0; i < rows; i++) ReadRow(weights, row + i, scratch + ((long)i * stride));
            Tile<F32Elements>(
                (byte*)scratch, (byte*)(scratch + stride), (byte*)(scratch + (2 * stride)), (byte*)(scratch + (3 * stride)),
                rows, columns, x, tokens, y + row, weights.Rows);
        }
    }

    private static void Multiply<T>(WeightMatrix weights, int firstRow, int endRow, float* x, int tokens, float* y)
        where T : struct, IStoredElements
    {
        for (int row = firstRow; row < endRow; row += TileRows)
        {
            int rows = Math.Min(TileRows, endRow - row);
            byte* last = weights.Row(row + rows - 1);
            Tile<T>(
                weights.Row(row), rows > 1 ? weights.Row(row + 1) : last, rows > 2 ? weights.Row(row + 2) : last, last,
                rows, weights.Columns, x, tokens, y + row, weights.Rows);
        }
    }

    /// <summary>Up to four rows with every token; rows beyond <paramref name="rows"/> are computed and not stored.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile<T>(
        byte* row0, byte* row1, byte* row2, byte* row3, int rows, int columns, float* x, int tokens, float* y, long yStride)
        where T : struct, IStoredElements
    {
        for (int token = 0; token < tokens; token++, x += columns, y += yStride)
        {
            Vector256<float> lanes0 = Vector256<float>.Zero;
            Vector256<float> lanes1 = lanes0;
            Vector256<float> lanes2 = lanes0;
            Vector256<float> lanes3 = lanes0;
            int i = 0;
            for (; i <= columns - Lanes.Count; i += Lanes.Count)
            {
                Vector256<float> input = Vector256.Load(x + i);
                long offset = (long)i * T.Size;
                lanes0 = Vector256.FusedMultiplyAdd(T.Load(row0 + offset), input, lanes0);
                lanes1 = Vector256.FusedMultiplyAdd(T.Load(row1 + offset), input, lanes1);
                lanes2 = Vector256.FusedMultiplyAdd(T.Load(row2 + offset), input, lanes2);
                lanes3 = Vector256.FusedMultiplyAdd(T.Load(row3 + offset), input, lanes3);
            }

            if (i < columns)
            {
                int rest = columns - i;
                Vector256<float> input = Lanes.LoadPartial(x + i, rest);
                long offset = (long)i * T.Size;
                lanes0 = Vector256.FusedMultiplyAdd(StoredElements.LoadPartial<T>(row0 + offset, rest), input, lanes0);
                lanes1 = Vector256.FusedMultiplyAdd(StoredElements.LoadPartial<T>(row1 + offset, rest), input, lanes1);
                lanes2 = Vector256.FusedMultiplyAdd(StoredElements.LoadPartial<T>(row2 + offset, rest), input, lanes2);
                lanes3 = Vector256.FusedMultiplyAdd(StoredElements.LoadPartial<T>(row3 + offset, rest), input, lanes3);
            }

            y[0] = Lanes.Sum(lanes0);
            if (rows > 1) y[1] = Lanes.Sum(lanes1);
            if (rows > 2) y[2] = Lanes.Sum(lanes2);
            if (rows > 3) y[3] = Lanes.Sum(lanes3);
        }
    }
}
