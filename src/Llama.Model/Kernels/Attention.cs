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
    /// <summary>Most tokens whose queries are computed together.</summary>
    public const int MaxTokens = 16;

    private const int VectorsAtOnce = 8;

    /// <summary>Floats of scratch memory for a number of rows: query heads, times tokens if several are computed together.</summary>
    public static int ScratchLength(int rows, int headDim) => (2 * KvCache.BlockTokens * headDim) + (2 * rows);

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
        int heads = (endKvHead - firstKvHead) * group;
        float scale = 1 / MathF.Sqrt(headDim);
        float* valueScratch = scratch + (KvCache.BlockTokens * headDim);
        float* greatest = valueScratch + (KvCache.BlockTokens * headDim);
        float* sums = greatest + (tokens * heads);
        new Span<float>(greatest, tokens * heads).Fill(float.NegativeInfinity);
        new Span<float>(sums, tokens * heads).Clear();
        for (int token = 0; token < tokens; token++) new Span<float>(output + (token * stride), heads * headDim).Clear();

        int* rows = stackalloc int[AttentionTile.Rows];
        float** tileQueries = stackalloc float*[AttentionTile.Rows];
        float** tileOutputs = stackalloc float*[AttentionTile.Rows];
        for (int first = 0; first < position + tokens; first += KvCache.BlockTokens)
        {
            int index = first / KvCache.BlockTokens, block = blockTable[index];
            bool last = first + KvCache.BlockTokens >= position + tokens;
            for (int kvHead = firstKvHead; kvHead < endKvHead; kvHead++)
            {
                if (kvHead + 1 < endKvHead) cache.AskFor(layer, block, kvHead + 1);
                else if (!last) cache.AskFor(layer, blockTable[index + 1], firstKvHead);
                float* keys = cache.Keys(layer, block, kvHead, scratch);
                float* values = cache.Values(layer, block, kvHead, valueScratch);

                // Queries that see the whole block go by threes; the others, those of the last blocks mostly, one by one.
                int firstHead = (kvHead - firstKvHead) * group, seen = Math.Max(0, first - position);
                bool whole = first + KvCache.BlockTokens <= position + 1 && AttentionTile.Serves(headDim);
                int tiled = whole ? tokens * group / AttentionTile.Rows * AttentionTile.Rows : 0;
                for (int item = 0; item < tiled; item += AttentionTile.Rows)
                {
                    for (int i = 0; i < AttentionTile.Rows; i++)
                    {
                        (int token, int head) = Math.DivRem(item + i, group);
                        long offset = (token * stride) + ((firstHead + head) * headDim);
                        rows[i] = (token * heads) + firstHead + head;
                        tileQueries[i] = queries + offset;
                        tileOutputs[i] = output + offset;
                    }

                    AddBlock(tileQueries, keys, values, headDim, scale, rows, greatest, sums, tileOutputs);
                }

                for (int item = Math.Max(tiled, seen * group); item < tokens * group; item++)
                {
                    (int token, int head) = Math.DivRem(item, group);
                    int count = Math.Min(KvCache.BlockTokens, position + token + 1 - first), row = (token * heads) + firstHead + head;
                    long offset = (token * stride) + ((firstHead + head) * headDim);
                    AddBlock(queries + offset, keys, values, count, headDim, scale, greatest + row, sums + row, output + offset);
                }
            }
        }

        for (int token = 0; token < tokens; token++)
        {
            for (int head = 0; head < heads; head++)
                Elementwise.Scale(output + (token * stride) + (head * headDim), 1 / sums[(token * heads) + head], headDim);
        }
    }

    /// <summary>Adds up to sixteen positions to what a query has attended to.</summary>
    private static void AddBlock(
        float* query, float* keys, float* values, int count, int headDim, float scale, float* greatest, float* sum, float* output)
    {
        // The scores of positions that the query does not see are computed as well, from whatever lies there, and left out.
        Vector256<float> impossible = Vector256.Create(float.NegativeInfinity);
        Vector256<float> scores0 = Vector256.ConditionalSelect(
            Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(count)).AsSingle(), Scores(query, keys, headDim), impossible);
        Vector256<float> scores1 = count <= Lanes.Count ? impossible : Vector256.ConditionalSelect(
            Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(count - Lanes.Count)).AsSingle(),
            Scores(query, keys + (Lanes.Count * headDim), headDim), impossible);
        float* weights = stackalloc float[KvCache.BlockTokens];
        Weigh(scores0, scores1, headDim, scale, greatest, sum, output, weights);
        AddValues(weights, values, count, headDim, output);
    }

    /// <summary>Adds sixteen positions to what three queries have attended to.</summary>
    private static void AddBlock(
        float** queries, float* keys, float* values, int headDim, float scale, int* rows, float* greatest, float* sums, float** outputs)
    {
        float* scores = stackalloc float[AttentionTile.Rows * KvCache.BlockTokens];
        AttentionTile.Score(queries, keys, headDim, scores);
        for (int i = 0; i < AttentionTile.Rows; i++)
        {
            float* weights = scores + (i * KvCache.BlockTokens);
            Weigh(
                Vector256.Load(weights), Vector256.Load(weights + Lanes.Count), headDim, scale, greatest + rows[i], sums + rows[i], outputs[i],
                weights);
        }

        AttentionTile.AddValues(scores, values, headDim, outputs);
    }

    /// <summary>The weights of sixteen scores; what was summed before is scaled down if one of these is the greatest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Weigh(
        Vector256<float> scores0, Vector256<float> scores1, int headDim, float scale, float* greatest, float* sum, float* output, float* weights)
    {
        float max = Lanes.Max(Vector256.Max(scores0, scores1));
        if (max > *greatest)
        {
            float decay = Exponential.Exp(Vector256.Create((*greatest - max) * scale)).GetElement(0);
            *greatest = max;
            *sum *= decay;
            Elementwise.Scale(output, decay, headDim);
        }

        Vector256<float> shift = Vector256.Create(*greatest), factor = Vector256.Create(scale);
        Vector256<float> weights0 = Exponential.Exp((scores0 - shift) * factor);
        Vector256<float> weights1 = Exponential.Exp((scores1 - shift) * factor);
        weights0.Store(weights);
        weights1.Store(weights + Lanes.Count);
        *sum += Lanes.Sum(weights0 + weights1);
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
}
