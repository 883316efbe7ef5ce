using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;

namespace Llama.Model.Kernels;

/// <summary>How the blocks of interleaved rows are multiplied. Lanes without a block are left as they are.</summary>
internal unsafe interface IInterleavedProduct
{
    /// <summary>Eight rows with one token.</summary>
    /// <param name="block">The rows' first block.</param>
    /// <param name="inputs">The inputs.</param>
    /// <param name="token">Which of them.</param>
    /// <param name="lanes">Receives the sums, <c>[lane, row]</c>.</param>
    /// <param name="zeros">What is in a lane before its first block, <c>[row]</c>.</param>
    static abstract void MultiplyOne(byte* block, RoundedInputs inputs, int token, float* lanes, float* zeros);

    /// <summary>Two times eight rows with four tokens.</summary>
    /// <param name="blockA">The first block of eight rows.</param>
    /// <param name="blockB">That of the eight rows after them.</param>
    /// <param name="inputs">The inputs.</param>
    /// <param name="token">The first of them, a multiple of four.</param>
    /// <param name="next">How many bytes behind each block the memory is asked for; 0 to ask for nothing.</param>
    /// <param name="lanes">Receives the sums, <c>[lane, token, row]</c>.</param>
    /// <param name="zeros">What is in a lane before its first block, <c>[token, row]</c>.</param>
    static abstract void MultiplyFour(byte* blockA, byte* blockB, RoundedInputs inputs, int token, nint next, float* lanes, float* zeros);

    /// <summary>Two times eight rows with one token, in 512-bit vectors.</summary>
    /// <param name="blockA">The first block of eight rows.</param>
    /// <param name="blockB">That of the eight rows after them.</param>
    /// <param name="inputs">The inputs.</param>
    /// <param name="token">Which of them.</param>
    /// <param name="next">How many bytes behind each block the memory is asked for.</param>
    /// <param name="lanes">Receives the sums, <c>[lane, row]</c>.</param>
    /// <param name="zeros">What is in a lane before its first block, <c>[row]</c>.</param>
    static abstract void MultiplyOneWide(byte* blockA, byte* blockB, RoundedInputs inputs, int token, nint next, float* lanes, float* zeros);

    /// <summary>Four times eight rows with eight tokens, in 512-bit vectors.</summary>
    /// <param name="block">The first block of the first eight rows.</param>
    /// <param name="group">Bytes from there to that of the next eight.</param>
    /// <param name="inputs">The inputs.</param>
    /// <param name="token">The first of four, a multiple of four.</param>
    /// <param name="others">The first of four others.</param>
    /// <param name="asks">Whether the memory is asked for the rows that follow.</param>
    /// <param name="lanes">Receives the sums, <c>[lane, token, row]</c>.</param>
    /// <param name="zeros">What is in a lane before its first block, <c>[token, row]</c>.</param>
    static abstract void MultiplyEightWide(
        byte* block, nint group, RoundedInputs inputs, int token, int others, bool asks, float* lanes, float* zeros);
}

/// <summary>
/// Products with interleaved rows: several tokens go by four, with sixteen rows, three as four of which one is left out; others eight rows
/// at a time, one stream of addresses. In 512-bit vectors, which hold sixteen rows, tokens go by eight with 32 rows, and five and more as eight.
/// </summary>
/// <typeparam name="T">The kernel.</typeparam>
internal static unsafe class InterleavedProduct<T>
    where T : struct, IInterleavedProduct
{
    /// <summary>Sums of a lane of sixteen rows with four tokens.</summary>
    public const int GroupSums = 2 * Lanes.Count * GroupTokens;

    /// <summary>Sums of a lane of 32 rows with eight tokens.</summary>
    public const int WideSums = WideRows * WideTokens;

    private const int GroupTokens = RoundedInputs.GroupTokens;
    private const int WideRows = 4 * Lanes.Count;
    private const int RowsOfVector = 2 * Lanes.Count;
    private const int WideTokens = 2 * GroupTokens;

    /// <summary>Floats of a line of the cache.</summary>
    private const int LineFloats = 16;

    /// <summary>For so many tokens it pays to compute eight.</summary>
    private const int LeastWideTokens = GroupTokens + 1;

    /// <summary>Multiplies the rows <c>[firstRow, endRow)</c> with every token's vector; see <see cref="BlockProduct"/>.</summary>
    /// <exception cref="ArgumentException">The first row is not the first of a group.</exception>
    public static void Multiply(WeightMatrix weights, int firstRow, int endRow, RoundedInputs x, int tokens, float* y)
    {
        if (firstRow % Lanes.Count != 0) throw new ArgumentException($"rows from {firstRow} on, in groups of {Lanes.Count}", nameof(firstRow));

        int row = firstRow;
        if (Instructions.AreWide) row = MultiplyWide(weights, firstRow, endRow, x, tokens, y);

        // Zeros once and for all: whatever rows come, the same lanes have a block.
        float* memory = stackalloc float[LineFloats + ((Lanes.Count + 1) * GroupSums) + (Lanes.Count * Lanes.Count)];
        float* zeros = Align(memory), groupLanes = zeros + GroupSums, lanes = groupLanes + (Lanes.Count * GroupSums);
        for (; row < endRow; row += 2 * Lanes.Count)
        {
            int second = row + Lanes.Count, rows = Math.Min(Lanes.Count, endRow - row), secondRows = Math.Min(Lanes.Count, endRow - second);
            float* target = y + row;
            int token = 0;
            for (; secondRows > 0 && token <= tokens - RoundedInputs.LeastGroup; token += GroupTokens, target += (long)GroupTokens * weights.Rows)
            {
                // The last ones with these rows ask for the next rows.
                nint next = token >= tokens - GroupTokens - 2 ? (nint)(2 * (weights.Group(second) - weights.Group(row))) : 0;
                int count = Math.Min(GroupTokens, tokens - token);
                T.MultiplyFour(weights.Group(row), weights.Group(second), x, token, next, groupLanes, zeros);
                Store(groupLanes, count, target, weights.Rows, secondRows);
            }

            for (; token < tokens; token++, target += weights.Rows)
            {
                T.MultiplyOne(weights.Group(row), x, token, lanes, zeros);
                Store(lanes, Lanes.Count, target, rows);
                if (secondRows == 0) continue;
                T.MultiplyOne(weights.Group(second), x, token, lanes, zeros);
                Store(lanes, Lanes.Count, target + Lanes.Count, secondRows);
            }
        }
    }

    /// <summary>The first address from this one on that begins a line of the cache, so that no vector of lanes lies in two lines.</summary>
    private static float* Align(float* memory) => (float*)(((nint)memory + (LineFloats * sizeof(float)) - 1) & -(LineFloats * sizeof(float)));

    /// <summary>Multiplies rows, as many as are whole tiles of 32, in 512-bit vectors.</summary>
    /// <returns>The first row that was left out.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int MultiplyWide(WeightMatrix weights, int firstRow, int endRow, RoundedInputs x, int tokens, float* y)
    {
        // Zeros once and for all, again.
        float* memory = stackalloc float[LineFloats + ((Lanes.Count + 1) * WideSums) + (Lanes.Count * (GroupSums + RowsOfVector))];
        float* zeros = Align(memory), lanes = zeros + WideSums;
        float* groupLanes = lanes + (Lanes.Count * WideSums), lanesOfOne = groupLanes + (Lanes.Count * GroupSums);
        nint group = (nint)(weights.Group(Lanes.Count) - weights.Group(0));
        int row = firstRow;
        for (; row <= endRow - WideRows; row += WideRows)
        {
            byte* block = weights.Group(row);
            float* target = y + row;
            int token = 0;
            for (; token <= tokens - LeastWideTokens; token += WideTokens, target += (long)WideTokens * weights.Rows)
            {
                // The last ones with these rows ask for the next rows. Up to three of the others may be nobody's inputs.
                T.MultiplyEightWide(block, group, x, token, token + GroupTokens, token >= tokens - (2 * WideTokens), lanes, zeros);
                int count = Math.Min(WideTokens, tokens - token);
                for (int t = 0; t < count; t++)
                {
                    StoreWide(lanes + (t * WideRows), WideSums, target + (t * (long)weights.Rows));
                    StoreWide(lanes + (t * WideRows) + RowsOfVector, WideSums, target + (t * (long)weights.Rows) + RowsOfVector);
                }
            }

            for (int half = 0; half < WideRows && token < tokens; half += RowsOfVector)
            {
                byte* first = block + (half / Lanes.Count * group), second = first + group;
                MultiplyFew(first, second, x, token, tokens, target + half, weights.Rows, 2 * group, groupLanes, lanesOfOne, zeros);
            }
        }

        return row;
    }

    /// <summary>Two times eight rows with the up to four tokens that are left.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyFew(
        byte* first, byte* second, RoundedInputs x, int token, int tokens, float* target, int outputs, nint next,
        float* groupLanes, float* lanesOfOne, float* zeros)
    {
        if (tokens - token >= RoundedInputs.LeastGroup)
        {
            T.MultiplyFour(first, second, x, token, next, groupLanes, zeros);
            Store(groupLanes, tokens - token, target, outputs, Lanes.Count);
            return;
        }

        for (; token < tokens; token++, target += outputs)
        {
            T.MultiplyOneWide(first, second, x, token, next, lanesOfOne, zeros);
            StoreWide(lanesOfOne, RowsOfVector, target);
        }
    }

    /// <summary>Adds the lanes of sixteen rows, in the tree of <see cref="Lanes.Sum"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreWide(float* lanes, int stride, float* target)
    {
        Vector512<float> even = AddWide(lanes, stride, 0, 4) + AddWide(lanes, stride, 2, 6);
        Vector512<float> odd = AddWide(lanes, stride, 1, 5) + AddWide(lanes, stride, 3, 7);
        (even + odd).Store(target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> AddWide(float* lanes, int stride, int lane, int other) =>
        Vector512.Load(lanes + (lane * stride)) + Vector512.Load(lanes + (other * stride));

    /// <summary>Adds the lanes of sixteen rows for some of four tokens.</summary>
    private static void Store(float* lanes, int tokens, float* target, int outputs, int secondRows)
    {
        for (int t = 0; t < tokens; t++, lanes += 2 * Lanes.Count, target += outputs)
        {
            Store(lanes, GroupSums, target, Lanes.Count);
            Store(lanes + Lanes.Count, GroupSums, target + Lanes.Count, secondRows);
        }
    }

    /// <summary>Adds the lanes of eight rows, in the tree of <see cref="Lanes.Sum"/>.</summary>
    private static void Store(float* lanes, int stride, float* target, int rows)
    {
        Vector256<float> even = Add(lanes, stride, 0, 4) + Add(lanes, stride, 2, 6), odd = Add(lanes, stride, 1, 5) + Add(lanes, stride, 3, 7);
        if (rows == Lanes.Count) (even + odd).Store(target);
        else Lanes.StorePartial(even + odd, target, rows);
    }

    private static Vector256<float> Add(float* lanes, int stride, int lane, int other) =>
        Vector256.Load(lanes + (lane * stride)) + Vector256.Load(lanes + (other * stride));
}
