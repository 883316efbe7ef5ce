using System.Runtime.Intrinsics;
using Llama.Model.Weights;

namespace Llama.Model.Kernels;

/// <summary>How the blocks of interleaved rows are multiplied. Lanes hold zeros before.</summary>
internal unsafe interface IInterleavedProduct
{
    /// <summary>Eight rows with one token.</summary>
    /// <param name="block">The rows' first block.</param>
    /// <param name="inputs">The inputs.</param>
    /// <param name="token">Which of them.</param>
    /// <param name="lanes">Receives the sums, <c>[lane, row]</c>.</param>
    static abstract void MultiplyOne(byte* block, RoundedInputs inputs, int token, float* lanes);

    /// <summary>Two times eight rows with four tokens.</summary>
    /// <param name="blockA">The first block of eight rows.</param>
    /// <param name="blockB">That of the eight rows after them.</param>
    /// <param name="inputs">The inputs.</param>
    /// <param name="token">The first of them, a multiple of four.</param>
    /// <param name="next">How many bytes behind each block the memory is asked for; 0 to ask for nothing.</param>
    /// <param name="lanes">Receives the sums, <c>[lane, token, row]</c>.</param>
    static abstract void MultiplyFour(byte* blockA, byte* blockB, RoundedInputs inputs, int token, nint next, float* lanes);
}

/// <summary>
/// Products with interleaved rows: several tokens go by four, with sixteen rows, three as four of which one is left out; others eight rows
/// at a time, one stream of addresses.
/// </summary>
/// <typeparam name="T">The kernel.</typeparam>
internal static unsafe class InterleavedProduct<T>
    where T : struct, IInterleavedProduct
{
    /// <summary>Sums of a lane of sixteen rows with four tokens.</summary>
    public const int GroupSums = 2 * Lanes.Count * GroupTokens;

    private const int GroupTokens = RoundedInputs.GroupTokens;

    /// <summary>Multiplies the rows <c>[firstRow, endRow)</c> with every token's vector; see <see cref="BlockProduct"/>.</summary>
    /// <exception cref="ArgumentException">The first row is not the first of a group.</exception>
    public static void Multiply(WeightMatrix weights, int firstRow, int endRow, RoundedInputs x, int tokens, float* y)
    {
        if (firstRow % Lanes.Count != 0) throw new ArgumentException($"rows from {firstRow} on, in groups of {Lanes.Count}", nameof(firstRow));
        for (int row = firstRow; row < endRow; row += 2 * Lanes.Count)
        {
            int second = row + Lanes.Count, rows = Math.Min(Lanes.Count, endRow - row), secondRows = Math.Min(Lanes.Count, endRow - second);
            float* target = y + row;
            int token = 0;
            for (; secondRows > 0 && token <= tokens - RoundedInputs.LeastGroup; token += GroupTokens, target += (long)GroupTokens * weights.Rows)
            {
                // The last ones with these rows ask for the next rows.
                nint next = token >= tokens - GroupTokens - 2 ? (nint)(2 * (weights.Group(second) - weights.Group(row))) : 0;
                int count = Math.Min(GroupTokens, tokens - token);
                MultiplyFour(weights.Group(row), weights.Group(second), x, token, count, next, target, weights.Rows, secondRows);
            }

            for (; token < tokens; token++, target += weights.Rows)
            {
                MultiplyOne(weights.Group(row), x, token, target, rows);
                if (secondRows > 0) MultiplyOne(weights.Group(second), x, token, target + Lanes.Count, secondRows);
            }
        }
    }

    private static void MultiplyOne(byte* group, RoundedInputs x, int token, float* target, int rows)
    {
        float* lanes = stackalloc float[Lanes.Count * Lanes.Count];
        T.MultiplyOne(group, x, token, lanes);
        Store(lanes, Lanes.Count, target, rows);
    }

    private static void MultiplyFour(
        byte* first, byte* second, RoundedInputs x, int token, int count, nint next, float* target, int outputs, int secondRows)
    {
        float* lanes = stackalloc float[Lanes.Count * GroupSums];
        T.MultiplyFour(first, second, x, token, next, lanes);
        for (int t = 0; t < count; t++, lanes += 2 * Lanes.Count, target += outputs)
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
