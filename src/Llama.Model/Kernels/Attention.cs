using System.Runtime.CompilerServices;
using Llama.Model.KeyValueCache;

namespace Llama.Model.Kernels;

/// <summary>
/// Causal attention of one position over a sequence's blocks (Vaswani et al., 2017, with the grouped queries of Ainslie et al., 2023).
/// Scores, their maximum and sum, and the weighted values are taken in the order of positions, so the result depends on the
/// sequence alone and not on how it was cut into chunks.
/// </summary>
internal static unsafe class Attention
{
    /// <summary>Attends with all query heads that share one key-value head.</summary>
    /// <param name="cache">Keys and values.</param>
    /// <param name="layer">Layer within the range.</param>
    /// <param name="blockTable">The sequence's blocks in order; enough for <paramref name="position"/>.</param>
    /// <param name="position">The query's position; it sees keys 0 to itself.</param>
    /// <param name="kvHead">Key-value head.</param>
    /// <param name="queries">Queries of the group, <c>[group, headDim]</c>.</param>
    /// <param name="group">Query heads to a key-value head.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="output">Written, <c>[group, headDim]</c>.</param>
    /// <param name="scores">Scratch of at least <c>position + 1</c> floats.</param>
    public static void Attend(
        KvCache cache, int layer, ReadOnlySpan<int> blockTable, int position, int kvHead,
        float* queries, int group, int headDim, float* output, float* scores)
    {
        int keys = position + 1;
        float scale = 1 / MathF.Sqrt(headDim);
        for (int head = 0; head < group; head++, queries += headDim, output += headDim)
        {
            float max = float.NegativeInfinity;
            for (int first = 0; first < keys; first += KvCache.BlockTokens)
            {
                float* key = cache.Keys(layer, blockTable[first / KvCache.BlockTokens], kvHead);
                int end = Math.Min(first + KvCache.BlockTokens, keys);
                for (int j = first; j < end; j++, key += headDim)
                {
                    scores[j] = Lanes.Dot(queries, key, headDim);
                    max = MathF.Max(max, scores[j]);
                }
            }

            float normalizer = 1 / Exponential.ExpAndSum(scores, keys, max, scale);
            Unsafe.InitBlockUnaligned(output, 0, (uint)headDim * sizeof(float));
            for (int first = 0; first < keys; first += KvCache.BlockTokens)
            {
                float* value = cache.Values(layer, blockTable[first / KvCache.BlockTokens], kvHead);
                int end = Math.Min(first + KvCache.BlockTokens, keys);
                for (int j = first; j < end; j++, value += headDim) Lanes.AddScaled(output, value, scores[j], headDim);
            }

            for (int i = 0; i < headDim; i++) output[i] *= normalizer;
        }
    }
}
