using Llama.Model.Kernels;
using Llama.Model.KeyValueCache;
using Llama.Model.Weights;

namespace Llama.Model.Tests.Kernels;

public sealed unsafe class AttentionTests
{
    private const int Layers = 2;
    private const int Blocks = 7;

    // A sequence's blocks, not in order.
    private static readonly int[] BlockTable = [4, 0, 6, 2];

    [Theory]
    [InlineData(1, 1, 8, ElementType.F32)]
    [InlineData(1, 4, 6, ElementType.F32)]
    [InlineData(3, 2, 20, ElementType.F32)]
    [InlineData(1, 4, 6, ElementType.F16)]
    [InlineData(3, 2, 20, ElementType.F16)]
    [InlineData(3, 2, 32, ElementType.Q8_0)]
    [InlineData(2, 4, 64, ElementType.F32)]
    public void Attend_ShuffledBlocks_IsSoftmaxOfScoresTimesValues(int kvHeads, int group, int headDim, ElementType type)
    {
        ModelConfig config = RotaryModels.Plain(headDim, 10_000) with { Heads = kvHeads * group, KvHeads = kvHeads };
        using var cache = new KvCache(config, type, Layers, Blocks);
        var random = new Random(headDim);
        Fill(cache, kvHeads, headDim, random);
        float[] queries = Numbers(random, group * headDim);
        float[] output = new float[group * headDim];
        foreach (int position in (int[])[0, 1, 14, 15, 16, 17, 31, 32, 50, 63])
        {
            for (int kvHead = 0; kvHead < kvHeads; kvHead++)
            {
                Attend(cache, kvHead, position, 1, group, headDim, queries, output);
                for (int head = 0; head < group; head++)
                {
                    double[] expected = Reference(cache, position, kvHead, queries[(head * headDim)..((head + 1) * headDim)]);
                    for (int i = 0; i < headDim; i++) Assert.Equal(expected[i], output[(head * headDim) + i], 2e-6);
                }
            }
        }
    }

    [Fact]
    public void Attend_ScoresFarApart_StaysFinite()
    {
        ModelConfig config = RotaryModels.Plain(8, 10_000);
        using var cache = new KvCache(config, ElementType.F32, Layers, Blocks);
        for (int position = 0; position < 3; position++)
        {
            cache.Keys(1, 4, 0, null)[position * 8] = 1e15f * position;
            cache.Values(1, 4, 0, null)[position * 8] = position;
        }

        float[] query = [1e15f, 0, 0, 0, 0, 0, 0, 0];
        float[] output = new float[8];
        Attend(cache, 0, 2, 1, 1, 8, query, output);
        Assert.Equal([2, 0, 0, 0, 0, 0, 0, 0], output);
    }

    [Theory]
    [InlineData(1, 8, ElementType.F32)]
    [InlineData(3, 20, ElementType.F32)]
    [InlineData(2, 72, ElementType.F32)]
    [InlineData(2, 72, ElementType.F16)]
    [InlineData(2, 64, ElementType.Q8_0)]
    [InlineData(1, 32, ElementType.F32)]
    [InlineData(4, 128, ElementType.F16)]
    public void Attend_TokensTogether_HaveTheBitsOfEachAloneAndSeeNothingBehindThem(int group, int headDim, ElementType type)
    {
        ModelConfig config = RotaryModels.Plain(headDim, 10_000) with { Heads = group, KvHeads = 1 };
        using var cache = new KvCache(config, type, Layers, Blocks);
        var random = new Random(headDim);
        Fill(cache, 1, headDim, random);
        float[] queries = Numbers(random, Attention.MaxTokens * group * headDim);
        foreach ((int position, int tokens) in ((int, int)[])[(0, 1), (0, 24), (3, 16), (15, 2), (16, 5), (31, 24), (40, 24)])
        {
            // What lies behind the last token is what an earlier sequence left: it may be anything.
            float[] nothing = [.. Enumerable.Repeat(float.NaN, headDim)];
            for (int j = position + tokens; j < BlockTable.Length * KvCache.BlockTokens; j++)
            {
                fixed (float* row = nothing) cache.Write(1, BlockTable[j / 16], 0, j % 16, row, row);
            }

            float[] together = new float[tokens * group * headDim];
            Attend(cache, 0, position, tokens, group, headDim, queries, together);
            Assert.DoesNotContain(together, float.IsNaN);
            for (int t = 0; t < tokens; t++)
            {
                float[] alone = new float[group * headDim];
                Attend(cache, 0, position + t, 1, group, headDim, queries[(t * group * headDim)..], alone);
                Assert.Equal(alone, together[(t * group * headDim)..((t + 1) * group * headDim)]);
            }

            Fill(cache, 1, headDim, random);
        }
    }

    private static void Attend(
        KvCache cache, int kvHead, int position, int tokens, int group, int headDim, float[] queries, float[] output)
    {
        float[] scratch = new float[Attention.ScratchLength(group * tokens, headDim)];
        fixed (float* q = queries, o = output, s = scratch)
            Attention.Attend(cache, 1, BlockTable, kvHead, kvHead + 1, position, tokens, group, headDim, q, o, group * headDim, s);
    }

    private static double[] Reference(KvCache cache, int position, int kvHead, float[] query)
    {
        float* scratch = stackalloc float[16 * query.Length];
        double[] scores = new double[position + 1];
        for (int j = 0; j <= position; j++)
        {
            float* key = cache.Keys(1, BlockTable[j / 16], kvHead, scratch) + (j % 16 * query.Length);
            for (int i = 0; i < query.Length; i++) scores[j] += (double)query[i] * key[i] / Math.Sqrt(query.Length);
        }

        double sum = scores.Sum(score => Math.Exp(score - scores.Max()));
        double[] output = new double[query.Length];
        for (int j = 0; j <= position; j++)
        {
            float* value = cache.Values(1, BlockTable[j / 16], kvHead, scratch) + (j % 16 * query.Length);
            for (int i = 0; i < query.Length; i++) output[i] += Math.Exp(scores[j] - scores.Max()) / sum * value[i];
        }

        return output;
    }

    private static void Fill(KvCache cache, int kvHeads, int headDim, Random random)
    {
        for (int layer = 0; layer < Layers; layer++)
        {
            for (int block = 0; block < Blocks; block++)
            {
                for (int head = 0; head < kvHeads; head++)
                {
                    for (int slot = 0; slot < KvCache.BlockTokens; slot++)
                    {
                        fixed (float* key = Numbers(random, headDim), value = Numbers(random, headDim))
                            cache.Write(layer, block, head, slot, key, value);
                    }
                }
            }
        }
    }

    private static float[] Numbers(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 4) - 2))];
}
