using Llama.Model.KeyValueCache;
using Llama.Model.Tests.Kernels;

namespace Llama.Model.Tests.KeyValueCache;

public sealed unsafe class KvCacheTests
{
    private static readonly ModelConfig Config = RotaryModels.Plain(8, 10_000) with { Heads = 6, KvHeads = 3 };

    [Fact]
    public void KeysAndValues_EveryLayerBlockAndHead_AreZeroAndApart()
    {
        using var cache = new KvCache(Config, layers: 2, blocks: 5);
        Assert.Equal(5, cache.Blocks);
        for (int pass = 0; pass < 2; pass++)
        {
            float mark = 0;
            for (int layer = 0; layer < 2; layer++)
            {
                for (int block = 0; block < 5; block++)
                {
                    for (int head = 0; head < 3; head++)
                    {
                        Check(cache.Keys(layer, block, head), pass, ++mark);
                        Check(cache.Values(layer, block, head), pass, ++mark);
                    }
                }
            }
        }
    }

    [Fact]
    public void CopyBlock_EveryLayerAndHead_IsCopiedAndNothingElseChanges()
    {
        using var cache = new KvCache(Config, layers: 2, blocks: 3);
        for (int layer = 0; layer < 2; layer++)
        {
            for (int head = 0; head < 3; head++)
            {
                for (int i = 0; i < 16 * 8; i++)
                {
                    cache.Keys(layer, 1, head)[i] = (layer * 1000) + (head * 200) + i + 1;
                    cache.Values(layer, 1, head)[i] = -cache.Keys(layer, 1, head)[i];
                }
            }
        }

        cache.CopyBlock(1, 2);
        for (int layer = 0; layer < 2; layer++)
        {
            for (int head = 0; head < 3; head++)
            {
                for (int i = 0; i < 16 * 8; i++)
                {
                    float expected = (layer * 1000) + (head * 200) + i + 1;
                    Assert.Equal((0, expected, expected), (cache.Keys(layer, 0, head)[i], cache.Keys(layer, 1, head)[i], cache.Keys(layer, 2, head)[i]));
                    Assert.Equal((0, -expected), (cache.Values(layer, 0, head)[i], cache.Values(layer, 2, head)[i]));
                }
            }
        }
    }

    [Fact]
    public void BlockBytes_Llama405B_IsThatOfItsKeysAndValues()
    {
        // 8 heads of 128 numbers, 16 positions, keys and values, 4 bytes.
        ModelConfig config = Config with { Dim = 16_384, Heads = 128, KvHeads = 8, HeadDim = 128 };
        Assert.Equal(2 * 16 * 8 * 128 * 4, KvCache.BlockBytes(config));
    }

    [Fact]
    public void Keys_BlocksBeyondTwoToThe31Floats_AreWhereTheyBelong()
    {
        ModelConfig config = Config with { Heads = 8, KvHeads = 8, HeadDim = 128 };
        const int Blocks = (1 << 17) + 2;
        using KvCache cache = MakeOrSkip(config, Blocks);
        float* first = cache.Keys(0, 0, 0);
        float* last = cache.Keys(0, Blocks - 1, 7);
        Assert.Equal((((Blocks - 1L) * 8) + 7) * 16 * 128, last - first);
        last[(16 * 128) - 1] = 1;
        Assert.Equal(1, first[(Blocks * 8L * 16 * 128) - 1]);
    }

    private static KvCache MakeOrSkip(ModelConfig config, int blocks)
    {
        try
        {
            return new KvCache(config, 1, blocks);
        }
        catch (OutOfMemoryException)
        {
            Assert.Skip("This machine does not lend 16 GiB of addresses.");
            throw;
        }
    }

    /// <summary>Finds zeros in the first pass and leaves a mark; finds the mark in the second.</summary>
    private static void Check(float* memory, int pass, float mark)
    {
        var block = new Span<float>(memory, 16 * 8);
        Assert.False(block.ContainsAnyExcept(pass == 0 ? 0 : mark));
        block.Fill(mark);
    }
}
