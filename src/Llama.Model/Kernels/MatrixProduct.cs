using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Products of stored weight matrices with float vectors: <c>y[t, r] = Σ w[r, c] × x[t, c]</c>, every sum in canonical lanes, so an
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
    /// <param name="weights">The matrix <c>[rows, columns]</c>.</param>
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
                default: MultiplyConverted(weights, firstRow, endRow, input, count, output, scratch); break;
            }
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
            var tile = new Tile(
                (byte*)scratch, (byte*)(scratch + stride), (byte*)(scratch + (2 * stride)), (byte*)(scratch + (3 * stride)), rows, columns);
            Multiply<F32Elements>(in tile, x, tokens, y + row, weights.Rows);
        }
    }

    private static void Multiply<T>(WeightMatrix weights, int firstRow, int endRow, float* x, int tokens, float* y)
        where T : struct, IStoredElements
    {
        for (int row = firstRow; row < endRow; row += TileRows)
        {
            int rows = Math.Min(TileRows, endRow - row);
            byte* last = weights.Row(row + rows - 1);
            var tile = new Tile(
                weights.Row(row), rows > 1 ? weights.Row(row + 1) : last, rows > 2 ? weights.Row(row + 2) : last, last, rows, weights.Columns);
            Multiply<T>(in tile, x, tokens, y + row, weights.Rows);
        }
    }

    private static void Multiply<T>(in Tile tile, float* x, int tokens, float* y, long yStride)
        where T : struct, IStoredElements
    {
        int token = 0;
        for (; token <= tokens - TileTokens; token += TileTokens)
            MultiplyThree<T>(in tile, x + ((long)token * tile.Columns), y + (token * yStride), yStride);
        for (; token < tokens; token++) MultiplyOne<T>(in tile, x + ((long)token * tile.Columns), y + (token * yStride));
    }

    /// <summary>Four rows with three tokens.</summary>
    private static void MultiplyThree<T>(in Tile tile, float* x, float* y, long yStride)
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
        nuint end = (nuint)(tile.Columns / Lanes.Count * Lanes.Count);
        for (nuint i = 0; i < end; i += Lanes.Count)
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

        var sums = new FourLanes(a0, a1, a2, a3);
        Finish<T>(in tile, (int)end, x0, ref sums, y);
        sums = new FourLanes(b0, b1, b2, b3);
        Finish<T>(in tile, (int)end, x1, ref sums, y + yStride);
        sums = new FourLanes(c0, c1, c2, c3);
        Finish<T>(in tile, (int)end, x2, ref sums, y + (2 * yStride));
    }

    /// <summary>Four rows with one token: the case of decoding, where memory is the limit.</summary>
    private static void MultiplyOne<T>(in Tile tile, float* x, float* y)
        where T : struct, IStoredElements
    {
        byte* row0 = tile.Row0;
        byte* row1 = tile.Row1;
        byte* row2 = tile.Row2;
        byte* row3 = tile.Row3;
        Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default;
        nuint end = (nuint)(tile.Columns / Lanes.Count * Lanes.Count);
        for (nuint i = 0; i < end; i += Lanes.Count)
        {
            nuint offset = i * (nuint)T.Size;
            Vector256<float> input = Vector256.Load(x + i);
            a0 = Vector256.FusedMultiplyAdd(T.Load(row0 + offset), input, a0);
            a1 = Vector256.FusedMultiplyAdd(T.Load(row1 + offset), input, a1);
            a2 = Vector256.FusedMultiplyAdd(T.Load(row2 + offset), input, a2);
            a3 = Vector256.FusedMultiplyAdd(T.Load(row3 + offset), input, a3);
        }

        var sums = new FourLanes(a0, a1, a2, a3);
        Finish<T>(in tile, (int)end, x, ref sums, y);
    }

    /// <summary>Adds the columns beyond the last whole vector, adds up the lanes and stores one output for each row of the tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<T>(in Tile tile, int done, float* x, ref FourLanes sums, float* y)
        where T : struct, IStoredElements
    {
        if (done < tile.Columns) AddRest<T>(in tile, done, x, ref sums);
        Vector128<float> outputs = sums.Sum();
        if (tile.Rows == TileRows) outputs.Store(y);
        else for (int i = 0; i < tile.Rows; i++) y[i] = outputs.GetElement(i);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddRest<T>(in Tile tile, int done, float* x, ref FourLanes sums)
        where T : struct, IStoredElements
    {
        int rest = tile.Columns - done;
        int offset = done * T.Size;
        Vector256<float> input = Lanes.LoadPartial(x + done, rest);
        sums = new FourLanes(
            Vector256.FusedMultiplyAdd(StoredElements.LoadPartial<T>(tile.Row0 + offset, rest), input, sums.Lanes0),
            Vector256.FusedMultiplyAdd(StoredElements.LoadPartial<T>(tile.Row1 + offset, rest), input, sums.Lanes1),
            Vector256.FusedMultiplyAdd(StoredElements.LoadPartial<T>(tile.Row2 + offset, rest), input, sums.Lanes2),
            Vector256.FusedMultiplyAdd(StoredElements.LoadPartial<T>(tile.Row3 + offset, rest), input, sums.Lanes3));
    }

    /// <summary>Up to four rows of a matrix; those beyond <see cref="Rows"/> repeat one that is there, and their outputs are not stored.</summary>
    private readonly struct Tile(byte* row0, byte* row1, byte* row2, byte* row3, int rows, int columns)
    {
        public readonly byte* Row0 = row0;
        public readonly byte* Row1 = row1;
        public readonly byte* Row2 = row2;
        public readonly byte* Row3 = row3;
        public readonly int Rows = rows;
        public readonly int Columns = columns;
    }

    /// <summary>The lanes of four sums.</summary>
    private readonly struct FourLanes(Vector256<float> lanes0, Vector256<float> lanes1, Vector256<float> lanes2, Vector256<float> lanes3)
    {
        public readonly Vector256<float> Lanes0 = lanes0;
        public readonly Vector256<float> Lanes1 = lanes1;
        public readonly Vector256<float> Lanes2 = lanes2;
        public readonly Vector256<float> Lanes3 = lanes3;

        /// <summary>
        /// All four by the tree of <see cref="Lanes.Sum"/>, side by side: lanes k and k + 4, of these 0 and 2 as well as 1 and 3, then both.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector128<float> Sum()
        {
            Vector128<float> sums01 = AddHalves(Lanes0.GetLower() + Lanes0.GetUpper(), Lanes1.GetLower() + Lanes1.GetUpper());
            Vector128<float> sums23 = AddHalves(Lanes2.GetLower() + Lanes2.GetUpper(), Lanes3.GetLower() + Lanes3.GetUpper());
            return Vector128.Create(sums01.GetLower(), sums23.GetLower()) + Vector128.Create(sums01.GetUpper(), sums23.GetUpper());
        }

        /// <summary><c>a0+a2, b0+b2, a1+a3, b1+b3</c>.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<float> AddHalves(Vector128<float> a, Vector128<float> b) => Sse.IsSupported
            ? Sse.UnpackLow(a, b) + Sse.UnpackHigh(a, b)
            : Vector128.Create(a[0] + a[2], b[0] + b[2], a[1] + a[3], b[1] + b[3]);
    }
}
