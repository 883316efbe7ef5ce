using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Rows of blocks with many tokens: the integers of sixteen rows are laid out side by side, some columns at a time, so that a vector of
/// them holds two columns of eight rows, meets a pair of a token's inputs, and needs no addition across lanes.
/// </summary>
internal static unsafe class BlockPanel
{
    /// <summary>Tokens that a pass over a panel serves.</summary>
    public const int Tokens = RoundedInputs.GroupTokens;

    /// <summary>Rows of a panel, in two groups of eight.</summary>
    public const int Rows = 2 * Panel.GroupRows;

    /// <summary>Sums of a token: sixteen rows for each lane.</summary>
    public const int TokenSums = Lanes.Count * Rows;

    private const int GroupRows = Panel.GroupRows;

    /// <summary>Columns of a panel: with 16 rows of 16-bit integers, what stays in the first-level cache beside the inputs.</summary>
    private const int Columns = 512;

    private const int PartElements = BlockRows.PartElements;

    // Scratch: the panel, whose scales are as many as parts at most; the sums.
    private const int IntegersLength = Rows * Columns / 2;
    private const int SumsAt = IntegersLength + (Rows * Columns / PartElements);

    /// <summary>Floats of scratch memory for steps of a number of tokens.</summary>
    public static int ScratchLength(int tokens) => SumsAt + (TokenSums * tokens);

    /// <summary>Multiplies the rows <c>[firstRow, endRow)</c> with every token's vector; see <see cref="BlockProduct"/>.</summary>
    /// <param name="weights">The matrix.</param>
    /// <param name="firstRow">First row.</param>
    /// <param name="endRow">The row after the last.</param>
    /// <param name="x">The inputs, in pairs.</param>
    /// <param name="tokens">Number of input vectors.</param>
    /// <param name="y">Outputs, <c>[tokens, rows]</c>; only the columns of the given rows are written.</param>
    /// <param name="scratch">At least <see cref="ScratchLength"/> floats that no other thread uses.</param>
    /// <param name="widen">Lays some blocks of eight interleaved rows out in a panel: from the rows' first byte, first block, how many.</param>
    public static void Multiply<T>(
        WeightMatrix weights, int firstRow, int endRow, RoundedInputs x, int tokens, float* y, float* scratch,
        delegate*<byte*, int, int, Panel, void> widen)
        where T : struct, IBlockFormat
    {
        byte** rows = stackalloc byte*[Rows];
        float* sums = scratch + SumsAt;
        for (int row = firstRow; row < endRow; row += Rows)
        {
            // Places beyond the last row repeat it; their outputs are not stored.
            int count = Math.Min(Rows, endRow - row);
            if (weights.IsInterleaved)
            {
                rows[0] = weights.Group(row);
                rows[GroupRows] = count > GroupRows ? weights.Group(row + GroupRows) : rows[0];
            }
            else
            {
                weights.ListRows(row, count, rows, Rows);
            }

            MultiplyRows<T>(rows, weights.IsInterleaved ? widen : null, x, tokens, new Panel(scratch, IntegersLength), sums);
            for (int token = 0; token < tokens; token++)
            {
                float* target = y + ((long)token * weights.Rows) + row;
                Store(sums + (token * TokenSums), target, Math.Min(count, GroupRows));
                if (count > GroupRows) Store(sums + (token * TokenSums) + GroupRows, target + GroupRows, count - GroupRows);
            }
        }
    }

    /// <summary>Adds the lanes of eight rows.</summary>
    private static void Store(float* sums, float* target, int count)
    {
        Vector256<float> even = Add(sums, 0, 4) + Add(sums, 2, 6), odd = Add(sums, 1, 5) + Add(sums, 3, 7);
        if (count == GroupRows) (even + odd).Store(target);
        else Lanes.StorePartial(even + odd, target, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Add(float* sums, int lane, int other) =>
        Vector256.Load(sums + (lane * Rows)) + Vector256.Load(sums + (other * Rows));

    /// <summary>Sixteen rows with all tokens, some columns at a time. Interleaved ones are two groups, the second in the ninth place.</summary>
    private static void MultiplyRows<T>(
        byte** rows, delegate*<byte*, int, int, Panel, void> widen, RoundedInputs x, int tokens, Panel panel, float* sums)
        where T : struct, IBlockFormat
    {
        int panelBlocks = Columns / T.Type.BlockElements();
        nint next = (nint)(Rows * (rows[1] - rows[0]));
        new Span<float>(sums, tokens * TokenSums).Clear();
        for (int first = 0; first < x.Blocks; first += panelBlocks)
        {
            int blocks = Math.Min(panelBlocks, x.Blocks - first);
            if (widen is not null)
            {
                widen(rows[0], first, blocks, panel);
                widen(rows[GroupRows], first, blocks, panel.Second);
            }
            else
            {
                WordLayout<T>.LayOut(rows, first, blocks, next, panel);
                WordLayout<T>.LayOut(rows + GroupRows, first, blocks, next, panel.Second);
            }

            int token = 0;
            for (; token <= tokens - Tokens; token += Tokens)
                WordLayout<T>.MultiplyFour(x, token, first, blocks, panel, sums + (token * TokenSums));
            for (; token < tokens; token++)
                WordLayout<T>.MultiplyOne(x, token, first, blocks, panel, sums + (token * TokenSums));
        }
    }

    /// <summary>Adds a block's sums, scaled, to those of sixteen rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddBlock(float* scale, Vector256<int> a, Vector256<int> b, in Panel panel, float* sums)
    {
        Vector256<float> inputScale = Vector256.Create(*scale);
        Vector256.FusedMultiplyAdd(
            Vector256.ConvertToSingle(a), inputScale * Vector256.Load(panel.Scales), Vector256.Load(sums)).Store(sums);
        Vector256.FusedMultiplyAdd(
            Vector256.ConvertToSingle(b), inputScale * Vector256.Load(panel.Scales + GroupRows), Vector256.Load(sums + GroupRows)).Store(sums + GroupRows);
    }

    /// <summary>The scales of a block of eight rows.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="offset">Where in each the block begins.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scales<T>(byte** rows, nint offset)
        where T : struct, IBlockFormat => T.ScaleAt < 0
        ? Vector256.Create(
            T.Scale(rows[0] + offset), T.Scale(rows[1] + offset), T.Scale(rows[2] + offset), T.Scale(rows[3] + offset),
            T.Scale(rows[4] + offset), T.Scale(rows[5] + offset), T.Scale(rows[6] + offset), T.Scale(rows[7] + offset))
        : HalfBits.ToSingle(Vector128.Create(
            Half(rows[0] + offset + T.ScaleAt), Half(rows[1] + offset + T.ScaleAt), Half(rows[2] + offset + T.ScaleAt),
            Half(rows[3] + offset + T.ScaleAt), Half(rows[4] + offset + T.ScaleAt), Half(rows[5] + offset + T.ScaleAt),
            Half(rows[6] + offset + T.ScaleAt), Half(rows[7] + offset + T.ScaleAt)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ushort Half(byte* source) => Unsafe.ReadUnaligned<ushort>(source);
}
