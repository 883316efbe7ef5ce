using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.KeyValueCache;

namespace Llama.Model.Kernels;

/// <summary>
/// Causal attention over a sequence's blocks (Vaswani et al., 2017, with the grouped queries of Ainslie et al., 2023), the softmax
/// taken block by block (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018): a query keeps the greatest score so
/// far, the sum of the weights and the weighted values, and a block with a greater score scales them down first. Every query sees the
/// blocks in order, each as a whole up to its own position, so the result depends on the sequence alone and not on which queries
/// are computed together. These share each read of a block, and its conversion where keys and values are kept in another type.
/// </summary>
internal static unsafe class Attention
{
    /// <summary>Most tokens whose queries are computed together: whole tiles.</summary>
    public const int MaxTokens = 8 * AttentionTile.Rows;

    private const int VectorsAtOnce = 8;

    /// <summary>Floats of scratch memory for a number of rows: query heads, times tokens if several are computed together.</summary>
    public static int ScratchLength(int rows, int headDim) =>
        (2 * KvCache.BlockTokens * headDim) + (((2 * KvCache.BlockTokens) + 2 + (2 * headDim)) * rows);

    /// <summary>
    /// Attends with consecutive tokens of a sequence, and all query heads that share some key-value heads. With several of these a block
    /// is read in the order in which it lies.
    /// </summary>
    /// <param name="cache">Keys and values, those of the tokens included.</param>
    /// <param name="layer">Layer within the range.</param>
    /// <param name="blockTable">The sequence's blocks in order; enough for the last token.</param>
    /// <param name="firstKvHead">First key-value head.</param>
    /// <param name="endKvHead">The one after the last.</param>
    /// <param name="position">The first token's position; it sees keys 0 to itself.</param>
    /// <param name="tokens">1 to <see cref="MaxTokens"/>.</param>
    /// <param name="group">Query heads to a key-value head.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="queries">Queries of the groups, <c>[tokens, kvHeads, group, headDim]</c>, tokens <paramref name="stride"/> apart.</param>
    /// <param name="output">Written, laid out as the queries are.</param>
    /// <param name="stride">Floats from one token to the next.</param>
    /// <param name="scratch">At least <see cref="ScratchLength"/> floats that no other thread uses.</param>
    public static void Attend(
        KvCache cache, int layer, ReadOnlySpan<int> blockTable, int firstKvHead, int endKvHead, int position, int tokens,
        int group, int headDim, float* queries, float* output, long stride, float* scratch)
    {
        int heads = (endKvHead - firstKvHead) * group, rows = tokens * group;
        float scale = 1 / MathF.Sqrt(headDim);
        float* valueScratch = scratch + (KvCache.BlockTokens * headDim);
        float* weights = valueScratch + (KvCache.BlockTokens * headDim);
        bool wide = WideAttention.Serves(rows, headDim);
        int padded = wide ? WideAttention.Pad(rows) : rows;
        float* greatest = weights + (KvCache.BlockTokens * padded);
        float* sums = greatest + (tokens * heads);
        float* packed = sums + (tokens * heads);
        new Span<float>(greatest, tokens * heads).Fill(float.NegativeInfinity);
        new Span<float>(sums, tokens * heads).Clear();
        for (int token = 0; token < tokens; token++) new Span<float>(output + (token * stride), heads * headDim).Clear();
        for (int kvHead = firstKvHead; wide && kvHead < endKvHead; kvHead++)
        {
            int index = kvHead - firstKvHead;
            var sharing = new Rows(queries + (index * group * headDim), output, stride, group, headDim, greatest, sums);
            Pack(in sharing, rows, packed + ((long)index * padded * headDim));
        }

        for (int first = 0; first < position + tokens; first += KvCache.BlockTokens)
        {
            int index = first / KvCache.BlockTokens, block = blockTable[index];
            int there = Math.Min(KvCache.BlockTokens, position + tokens - first);
            int next = Math.Min(KvCache.BlockTokens, position + tokens - first - KvCache.BlockTokens);

            // Rows that see the whole block go by threes; those that see a part of it, and what is left over, one by one.
            int seen = Math.Max(0, first - position) * group;
            int whole = AttentionTile.Serves(headDim) ? Math.Clamp(first + KvCache.BlockTokens - 1 - position, 0, tokens) * group : rows;
            int tiled = whole + ((rows - whole) / AttentionTile.Rows * AttentionTile.Rows);
            for (int kvHead = firstKvHead; kvHead < endKvHead; kvHead++)
            {
                if (kvHead + 1 < endKvHead) cache.AskFor(layer, block, kvHead + 1, there);
                else if (next > 0) cache.AskFor(layer, blockTable[index + 1], firstKvHead, next);
                float* keys = cache.Keys(layer, block, kvHead, scratch);
                float* values = cache.Values(layer, block, kvHead, valueScratch);
                int firstHead = (kvHead - firstKvHead) * group, offset = firstHead * headDim, state = firstHead * tokens;
                var sharing = new Rows(queries + offset, output + offset, stride, group, headDim, greatest + state, sums + state);
                if (wide)
                {
                    float* pairs = packed + ((long)(kvHead - firstKvHead) * padded * headDim);
                    AddBlock(in sharing, seen, whole, rows, pairs, keys, values, position + 1 - first, scale, weights);
                    continue;
                }

                for (int row = seen; row < whole; row++)
                    AddBlock(in sharing, row, keys, values, Math.Min(KvCache.BlockTokens, position + (row / group) + 1 - first), scale);
                if (whole < tiled) AddBlock(in sharing, whole, tiled, keys, values, scale, weights);
                for (int row = tiled; row < rows; row++) AddBlock(in sharing, row, keys, values, KvCache.BlockTokens, scale);
            }
        }

        for (int head = 0; head < heads; head++)
        {
            (int kvHead, int member) = Math.DivRem(head, group);
            for (int token = 0; token < tokens; token++)
            {
                float sum = sums[(kvHead * rows) + (token * group) + member];
                Elementwise.Scale(output + (token * stride) + (head * headDim), 1 / sum, headDim);
            }
        }
    }

    /// <summary>Adds up to sixteen positions to what a row has attended to.</summary>
    private static void AddBlock(in Rows rows, int row, float* keys, float* values, int count, float scale)
    {
        // The scores of positions that the query does not see are computed as well, from whatever lies there, and left out.
        float* query = rows.Query(row);
        Vector256<float> impossible = Vector256.Create(float.NegativeInfinity);
        Vector256<float> scores0 = Vector256.ConditionalSelect(
            Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(count)).AsSingle(), Scores(query, keys, rows.HeadDim), impossible);
        Vector256<float> scores1 = count <= Lanes.Count ? impossible : Vector256.ConditionalSelect(
            Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(count - Lanes.Count)).AsSingle(),
            Scores(query, keys + (Lanes.Count * rows.HeadDim), rows.HeadDim), impossible);
        float* weights = stackalloc float[KvCache.BlockTokens];
        Weigh(in rows, row, scores0, scores1, scale, weights);
        AddValues(weights, values, count, rows.HeadDim, rows.Output(row));
    }

    /// <summary>
    /// Adds sixteen positions to what some rows have attended to: first all scores, then all weights, then all values, so that the long
    /// chains of operations from a score to its weight overlap.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void AddBlock(in Rows rows, int first, int end, float* keys, float* values, float scale, float* weights)
    {
        float** tile = stackalloc float*[AttentionTile.Rows];
        float* place = weights;
        for (int row = first; row < end; row += AttentionTile.Rows, place += AttentionTile.Rows * KvCache.BlockTokens)
        {
            for (int i = 0; i < AttentionTile.Rows; i++) tile[i] = rows.Query(row + i);
            AttentionTile.Score(tile, keys, rows.HeadDim, place);
        }

        place = weights;
        for (int row = first; row < end; row++, place += KvCache.BlockTokens)
            Weigh(in rows, row, Vector256.Load(place), Vector256.Load(place + Lanes.Count), scale, place);

        place = weights;
        for (int row = first; row < end; row += AttentionTile.Rows, place += AttentionTile.Rows * KvCache.BlockTokens)
        {
            for (int i = 0; i < AttentionTile.Rows; i++) tile[i] = rows.Output(row + i);
            AttentionTile.AddValues(place, values, rows.HeadDim, tile);
        }
    }

    /// <summary>Puts the queries of rows in pairs, for whole tiles.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pack(in Rows rows, int count, float* packed)
    {
        for (int row = 0; row < WideAttention.Pad(count); row += 2)
        {
            float* first = rows.Query(Math.Min(row, count - 1)), second = rows.Query(Math.Min(row + 1, count - 1));
            WideAttention.Pack(first, second, rows.HeadDim, packed + (row * rows.HeadDim));
        }
    }

    /// <summary>
    /// Adds sixteen positions, or those that it sees, to what each row has attended to, in 512-bit vectors: all scores, all weights, all values.
    /// </summary>
    /// <param name="rows">The rows.</param>
    /// <param name="seen">The first row that sees anything of the block.</param>
    /// <param name="whole">The first row that sees all of it.</param>
    /// <param name="end">Number of rows.</param>
    /// <param name="packed">Their queries in pairs.</param>
    /// <param name="keys">The block's keys.</param>
    /// <param name="values">The block's values.</param>
    /// <param name="visible">Positions that the first token sees, from the block's first on; each further token sees one more.</param>
    /// <param name="scale">Factor of the scores.</param>
    /// <param name="weights">Scratch for 16 numbers of each row, in whole tiles.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void AddBlock(
        in Rows rows, int seen, int whole, int end, float* packed, float* keys, float* values, int visible, float scale, float* weights)
    {
        const int Positions = KvCache.BlockTokens;
        for (int row = seen / WideAttention.Rows * WideAttention.Rows; row < end; row += WideAttention.Rows)
            WideAttention.Score(packed + (row * rows.HeadDim), keys, rows.HeadDim, weights + (row * Positions));

        for (int row = seen; row < end; row++)
        {
            float* place = weights + (row * Positions);
            Vector512<float> scores = Vector512.Load(place);
            if (row < whole)
            {
                Vector512<int> there = Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(visible + (row / rows.Group)));
                scores = Vector512.ConditionalSelect(there.AsSingle(), scores, Vector512.Create(float.NegativeInfinity));
            }

            float greatest = Raise(in rows, row, Lanes.MaxNative(Vector256.MaxNative(scores.GetLower(), scores.GetUpper())), scale);
            scores = Exponential.Exp((scores - Vector512.Create(greatest)) * Vector512.Create(scale));
            scores.Store(place);
            rows.Sums[row] += Lanes.Sum(scores.GetLower() + scores.GetUpper());
        }

        float** tile = stackalloc float*[WideAttention.Rows];
        int tiled = whole + ((end - whole) / WideAttention.Rows * WideAttention.Rows);
        for (int row = seen; row < whole; row++)
            AddValues(weights + (row * Positions), values, visible + (row / rows.Group), rows.HeadDim, rows.Output(row));
        for (int row = whole; row < tiled; row += WideAttention.Rows)
        {
            for (int i = 0; i < WideAttention.Rows; i++) tile[i] = rows.Output(row + i);
            WideAttention.AddValues(weights + (row * Positions), values, rows.HeadDim, tile);
        }

        for (int row = tiled; row < end; row++) AddValues(weights + (row * Positions), values, Positions, rows.HeadDim, rows.Output(row));
    }

    /// <summary>The weights of sixteen scores.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Weigh(in Rows rows, int row, Vector256<float> scores0, Vector256<float> scores1, float scale, float* weights)
    {
        float greatest = Raise(in rows, row, Lanes.MaxNative(Vector256.MaxNative(scores0, scores1)), scale);
        Vector256<float> shift = Vector256.Create(greatest), factor = Vector256.Create(scale);
        Vector256<float> weights0 = Exponential.Exp((scores0 - shift) * factor);
        Vector256<float> weights1 = Exponential.Exp((scores1 - shift) * factor);
        weights0.Store(weights);
        weights1.Store(weights + Lanes.Count);
        rows.Sums[row] += Lanes.Sum(weights0 + weights1);
    }

    /// <summary>The greatest score of a row with those of a block; what was summed before is scaled down if one of these is greater.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Raise(in Rows rows, int row, float max, float scale)
    {
        float greatest = rows.Greatest[row];
        if (!(max > greatest)) return greatest;
        float decay = Exponential.Exp(Vector256.Create((greatest - max) * scale)).GetElement(0);
        rows.Greatest[row] = max;
        rows.Sums[row] *= decay;
        Elementwise.Scale(rows.Output(row), decay, rows.HeadDim);
        return max;
    }

    /// <summary>Products of a query with eight keys, each in canonical lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Scores(float* query, float* keys, int headDim) =>
        headDim % Lanes.Count == 0 ? ScoresOfWholeVectors(query, keys, headDim) : ScoresOneByOne(query, keys, headDim);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector256<float> ScoresOneByOne(float* query, float* keys, int headDim)
    {
        float* scores = stackalloc float[Lanes.Count];
        for (int j = 0; j < Lanes.Count; j++) scores[j] = Lanes.Dot(query, keys + (j * headDim), headDim);
        return Vector256.Load(scores);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector256<float> ScoresOfWholeVectors(float* query, float* keys, int headDim)
    {
        float* key4 = keys + (4 * headDim);
        Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default;
        Vector256<float> a4 = default, a5 = default, a6 = default, a7 = default;
        for (int i = 0; i < headDim; i += Lanes.Count)
        {
            Vector256<float> x = Vector256.Load(query + i);
            a0 = Vector256.FusedMultiplyAdd(Vector256.Load(keys + i), x, a0);
            a1 = Vector256.FusedMultiplyAdd(Vector256.Load(keys + headDim + i), x, a1);
            a2 = Vector256.FusedMultiplyAdd(Vector256.Load(keys + (2 * headDim) + i), x, a2);
            a3 = Vector256.FusedMultiplyAdd(Vector256.Load(keys + (3 * headDim) + i), x, a3);
            a4 = Vector256.FusedMultiplyAdd(Vector256.Load(key4 + i), x, a4);
            a5 = Vector256.FusedMultiplyAdd(Vector256.Load(key4 + headDim + i), x, a5);
            a6 = Vector256.FusedMultiplyAdd(Vector256.Load(key4 + (2 * headDim) + i), x, a6);
            a7 = Vector256.FusedMultiplyAdd(Vector256.Load(key4 + (3 * headDim) + i), x, a7);
        }

        return Lanes.SumEach(a0, a1, a2, a3, a4, a5, a6, a7);
    }

    /// <summary><c>output[i] += Σ weights[j] × values[j, i]</c>, position after position; 64 sums stay in registers.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddValues(float* weights, float* values, int count, int headDim, float* output)
    {
        int i = 0;
        for (; i <= headDim - (VectorsAtOnce * Lanes.Count); i += VectorsAtOnce * Lanes.Count)
        {
            float* target = output + i;
            float* value = values + i;
            Vector256<float> a0 = Vector256.Load(target), a1 = Vector256.Load(target + 8);
            Vector256<float> a2 = Vector256.Load(target + 16), a3 = Vector256.Load(target + 24);
            Vector256<float> a4 = Vector256.Load(target + 32), a5 = Vector256.Load(target + 40);
            Vector256<float> a6 = Vector256.Load(target + 48), a7 = Vector256.Load(target + 56);
            for (int j = 0; j < count; j++, value += headDim)
            {
                Vector256<float> weight = Vector256.Create(weights[j]);
                a0 = Vector256.FusedMultiplyAdd(weight, Vector256.Load(value), a0);
                a1 = Vector256.FusedMultiplyAdd(weight, Vector256.Load(value + 8), a1);
                a2 = Vector256.FusedMultiplyAdd(weight, Vector256.Load(value + 16), a2);
                a3 = Vector256.FusedMultiplyAdd(weight, Vector256.Load(value + 24), a3);
                a4 = Vector256.FusedMultiplyAdd(weight, Vector256.Load(value + 32), a4);
                a5 = Vector256.FusedMultiplyAdd(weight, Vector256.Load(value + 40), a5);
                a6 = Vector256.FusedMultiplyAdd(weight, Vector256.Load(value + 48), a6);
                a7 = Vector256.FusedMultiplyAdd(weight, Vector256.Load(value + 56), a7);
            }

            a0.Store(target);
            a1.Store(target + 8);
            a2.Store(target + 16);
            a3.Store(target + 24);
            a4.Store(target + 32);
            a5.Store(target + 40);
            a6.Store(target + 48);
            a7.Store(target + 56);
        }

        if (i == headDim) return;
        for (int j = 0; j < count; j++) Lanes.AddScaled(output + i, values + ((long)j * headDim) + i, weights[j], headDim - i);
    }

    /// <summary>The query heads of some tokens that share a key-value head: row r is head r mod group of token r ÷ group.</summary>
    private readonly struct Rows(float* queries, float* outputs, long stride, int group, int headDim, float* greatest, float* sums)
    {
        /// <summary>Query heads of a token.</summary>
        public readonly int Group = group;

        /// <summary>Width of a head.</summary>
        public readonly int HeadDim = headDim;

        /// <summary>The greatest score of each row so far, not scaled.</summary>
        public readonly float* Greatest = greatest;

        /// <summary>The sum of each row's weights so far.</summary>
        public readonly float* Sums = sums;

        public float* Query(int row) => queries + Offset(row);

        public float* Output(int row) => outputs + Offset(row);

        private long Offset(int row)
        {
            (int token, int head) = Math.DivRem(row, Group);
            return (token * stride) + ((long)head * HeadDim);
        }
    }
}
