using Llama.Model.KeyValueCache;
using Llama.Model.Tests.Kernels;
using Llama.Model.Weights;

namespace Llama.Model.Tests.KeyValueCache;

public sealed unsafe class KvCacheTests
{
    private const int HeadDim = 32;
    private static readonly ModelConfig Config = RotaryModels.Plain(HeadDim, 10_000) with { Heads = 6, KvHeads = 3 };

    [Theory]
    [InlineData(ElementType.F32)]
    [InlineData(ElementType.F16)]
    [InlineData(ElementType.Q8_0)]
    public void KeysAndValues_EveryLayerBlockAndHead_AreZeroAndApart(ElementType type)
    {
        using var cache = new KvCache(Config, type, layers: 2, blocks: 5);
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
                        mark += 2;
                        AssertAll(pass == 0 ? 0 : mark, Keys(cache, layer, block, head));
                        AssertAll(pass == 0 ? 0 : mark + 1, Values(cache, layer, block, head));
                        for (int slot = 0; slot < 16; slot++) Write(cache, layer, block, head, slot, mark, mark + 1);
                    }
                }
            }
        }
    }

    [Theory]
    [InlineData(ElementType.F32)]
    [InlineData(ElementType.F16)]
    [InlineData(ElementType.Q8_0)]
    public void CopyBlock_EveryLayerAndHead_IsCopiedAndNothingElseChanges(ElementType type)
    {
        using var cache = new KvCache(Config, type, layers: 2, blocks: 3);
        for (int layer = 0; layer < 2; layer++)
        {
            for (int head = 0; head < 3; head++)
            {
                for (int slot = 0; slot < 16; slot++) Write(cache, layer, 1, head, slot, Mark(layer, head, slot), -Mark(layer, head, slot));
            }
        }

        cache.CopyBlock(1, 2);
        for (int layer = 0; layer < 2; layer++)
        {
            for (int head = 0; head < 3; head++)
            {
                AssertAll(0, Keys(cache, layer, 0, head));
                AssertAll(0, Values(cache, layer, 0, head));
                for (int slot = 0; slot < 16; slot++)
                {
                    Range row = (slot * HeadDim)..((slot + 1) * HeadDim);
                    AssertAll(Mark(layer, head, slot), [.. Keys(cache, layer, 1, head)[row], .. Keys(cache, layer, 2, head)[row]]);
                    AssertAll(-Mark(layer, head, slot), [.. Values(cache, layer, 1, head)[row], .. Values(cache, layer, 2, head)[row]]);
                }
            }
        }
    }

    [Theory]
    [InlineData(ElementType.F32)]
    [InlineData(ElementType.Q8_0)]
    public void Repartition_OtherLayersAndBlocks_HasWhatGoesOnOfTheLayersThatBothHave(ElementType type)
    {
        var cache = new KvCache(Config, type, layers: 3, blocks: 4);
        for (int layer = 0; layer < 3; layer++)
        {
            for (int block = 0; block < 4; block++)
            {
                for (int head = 0; head < 3; head++)
                {
                    for (int slot = 0; slot < 16; slot++) Write(cache, layer, block, head, slot, Mark(layer, block, head), -Mark(layer, block, head));
                }
            }
        }

        // Layers 1 and 2, and one behind; blocks 3 and 1 are 0 and 1 now.
        KvCache next = cache.Repartition(1, 3, 3, [3, 1]);
        AssertHas(next, 0, 1, 3, 1);
        AssertHas(next, 1, 2, 3, 1);
        AssertHas(next, 2, null, 3, 1);

        // One before, and the numbers stay.
        using KvCache last = next.Repartition(-1, 2, 3, null);
        AssertHas(last, 0, null, 3, 1);
        AssertHas(last, 1, 1, 3, 1);
        Assert.Equal(3, last.Blocks);
    }

    private static void AssertHas(KvCache cache, int layer, int? old, params int[] blocks)
    {
        for (int block = 0; block < cache.Blocks; block++)
        {
            for (int head = 0; head < 3; head++)
            {
                float expected = old is { } was && block < blocks.Length ? Mark(was, blocks[block], head) : 0;
                AssertAll(expected, Keys(cache, layer, block, head));
                AssertAll(-expected, Values(cache, layer, block, head));
            }
        }
    }

    [Theory]
    [InlineData(ElementType.F32, 4 * 32)]
    [InlineData(ElementType.F16, 2 * 32)]
    [InlineData(ElementType.Q8_0, 32 + 2)]
    public void BlockBytes_Llama405B_IsThatOfItsKeysAndValues(ElementType type, int bytesOf32)
    {
        // 8 heads of 128 numbers, 16 positions, keys and values.
        ModelConfig config = Config with { Dim = 16_384, Heads = 128, KvHeads = 8, HeadDim = 128 };
        Assert.Equal(2 * 16 * 8 * 128 / 32 * bytesOf32, KvCache.BlockBytes(config, type));
    }

    [Fact]
    public void Keys_BlocksBeyondTwoToThe31Floats_AreWhereTheyBelong()
    {
        ModelConfig config = Config with { Heads = 8, KvHeads = 8, HeadDim = 128 };
        const int Blocks = (1 << 17) + 2;
        using KvCache cache = MakeOrSkip(config, Blocks);
        float* first = cache.Keys(0, 0, 0, null);
        float* last = cache.Keys(0, Blocks - 1, 7, null);
        Assert.Equal((((Blocks - 1L) * 8) + 7) * 16 * 128, last - first);
        last[(16 * 128) - 1] = 1;
        Assert.Equal(1, first[(Blocks * 8L * 16 * 128) - 1]);
    }

    private static KvCache MakeOrSkip(ModelConfig config, int blocks)
    {
        try
        {
            return new KvCache(config, ElementType.F32, 1, blocks);
        }
        catch (OutOfMemoryException)
        {
            Assert.Skip("This machine does not lend 16 GiB of addresses.");
            throw;
        }
    }

    /// <summary>A number that F16 keeps as it is.</summary>
    private static float Mark(int layer, int head, int slot) => (layer * 512) + (head * 64) + slot + 1;

    /// <summary>A position whose key and value are the same number 32 times, which every type keeps nearly.</summary>
    private static void Write(KvCache cache, int layer, int block, int head, int slot, float key, float value)
    {
        float* row = stackalloc float[2 * HeadDim];
        new Span<float>(row, HeadDim).Fill(key);
        new Span<float>(row + HeadDim, HeadDim).Fill(value);
        cache.Write(layer, block, head, slot, row, row + HeadDim);
    }

    private static float[] Keys(KvCache cache, int layer, int block, int head)
    {
        float* scratch = stackalloc float[16 * HeadDim];
        return new Span<float>(cache.Keys(layer, block, head, scratch), 16 * HeadDim).ToArray();
    }

    private static float[] Values(KvCache cache, int layer, int block, int head)
    {
        float* scratch = stackalloc float[16 * HeadDim];
        return new Span<float>(cache.Values(layer, block, head, scratch), 16 * HeadDim).ToArray();
    }

    /// <summary>All numbers are the expected one, as nearly as a scale in half precision tells it.</summary>
    private static void AssertAll(float expected, float[] found)
    {
        foreach (float number in found) Assert.InRange(MathF.Abs(number - expected), 0, MathF.Abs(expected) / 2000);
    }
}
