using Llama.Model.Kernels;
using Llama.Model.Layers;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.KeyValueCache;

/// <summary>
/// Keys and values of one layer range, in blocks of 16 positions. The owner of the pipeline hands out block numbers; this is only the
/// memory behind them. Every layer has its own pools, so a range can be repartitioned and the layers that stay keep their blocks.
/// A block holds <c>[kvHeads, 16, headDim]</c> keys and as many values, which are rounded to the cache's type when they are written: nobody
/// ever sees others than those.
/// </summary>
internal sealed unsafe class KvCache : IDisposable
{
    /// <summary>Positions in a block.</summary>
    public const int BlockTokens = Step.BlockTokens;

    private readonly ModelConfig config;
    private readonly NativeBuffer[] keys;
    private readonly NativeBuffer[] values;
    private readonly ElementType type;
    private readonly int headDim;
    private readonly long rowBytes;
    private readonly long poolBlockBytes;

    /// <summary>Allocates pools for <paramref name="layers"/> layers; memory is taken as blocks are first written.</summary>
    /// <param name="config">The model, whose heads <see cref="KvTypes.Check"/> allows.</param>
    /// <param name="type">One of <see cref="KvTypes.All"/>.</param>
    /// <param name="layers">Layers of the range.</param>
    /// <param name="blocks">Blocks in each pool.</param>
    public KvCache(ModelConfig config, ElementType type, int layers, int blocks)
    {
        this.config = config;
        this.type = type;
        headDim = config.HeadDim;
        rowBytes = type.Bytes(headDim);
        poolBlockBytes = BlockBytes(config, type) / 2;
        Blocks = blocks;
        keys = new NativeBuffer[layers];
        values = new NativeBuffer[layers];
        for (int i = 0; i < layers; i++)
        {
            keys[i] = new NativeBuffer(poolBlockBytes / sizeof(float) * blocks);
            values[i] = new NativeBuffer(poolBlockBytes / sizeof(float) * blocks);
        }
    }

    /// <summary>Blocks in each pool.</summary>
    public int Blocks { get; }

    /// <summary>Bytes that one block takes in one layer.</summary>
    public static long BlockBytes(ModelConfig config, ElementType type) => 2L * BlockTokens * type.Bytes(config.KvDim);

    /// <summary>Rounds a position's key and value of one head into its block.</summary>
    /// <param name="layer">Layer within the range.</param>
    /// <param name="block">Block number.</param>
    /// <param name="kvHead">Key-value head.</param>
    /// <param name="slot">The position's place in the block, 0 to 15.</param>
    /// <param name="key">The key, <c>[headDim]</c>.</param>
    /// <param name="value">The value, <c>[headDim]</c>.</param>
    public void Write(int layer, int block, int kvHead, int slot, float* key, float* value)
    {
        RowQuantizer.Quantize(type, key, Head(keys[layer], block, kvHead) + (slot * rowBytes), headDim);
        RowQuantizer.Quantize(type, value, Head(values[layer], block, kvHead) + (slot * rowBytes), headDim);
    }

    /// <summary>The sixteen keys of a block and head, <c>[16, headDim]</c>.</summary>
    /// <param name="layer">Layer within the range.</param>
    /// <param name="block">Block number.</param>
    /// <param name="kvHead">Key-value head.</param>
    /// <param name="scratch">Receives them, unless they lie in the cache as single-precision numbers: 16 × headDim floats.</param>
    /// <returns>Where they are.</returns>
    public float* Keys(int layer, int block, int kvHead, float* scratch) => Read(Head(keys[layer], block, kvHead), scratch);

    /// <summary>The sixteen values of a block and head, as <see cref="Keys"/>.</summary>
    public float* Values(int layer, int block, int kvHead, float* scratch) => Read(Head(values[layer], block, kvHead), scratch);

    /// <summary>
    /// Asks the memory for the keys and values of a block and head: blocks lie anywhere, so the processor cannot foresee which comes next.
    /// </summary>
    /// <param name="layer">Layer within the range.</param>
    /// <param name="block">Block number.</param>
    /// <param name="kvHead">Key-value head.</param>
    /// <param name="positions">How many of its positions are seen.</param>
    public void AskFor(int layer, int block, int kvHead, int positions)
    {
        Prefetch.Near(Head(keys[layer], block, kvHead), (int)(positions * rowBytes));
        Prefetch.Near(Head(values[layer], block, kvHead), (int)(positions * rowBytes));
    }

    /// <summary>Copies a block's keys and values in every layer.</summary>
    public void CopyBlock(int source, int target)
    {
        for (int layer = 0; layer < keys.Length; layer++)
        {
            Buffer.MemoryCopy(Head(keys[layer], source, 0), Head(keys[layer], target, 0), poolBlockBytes, poolBlockBytes);
            Buffer.MemoryCopy(Head(values[layer], source, 0), Head(values[layer], target, 0), poolBlockBytes, poolBlockBytes);
        }
    }

    /// <summary>
    /// The pools of another range, which takes over those of the layers that both have; this cache is disposed of.
    /// </summary>
    /// <param name="first">The other range's first layer, counted within this one; it may lie before.</param>
    /// <param name="layers">Its layers.</param>
    /// <param name="blocks">Blocks in each of its pools.</param>
    /// <param name="carried">The blocks that go on, in the order of their new numbers; null when the numbers stay as they are.</param>
    public KvCache Repartition(int first, int layers, int blocks, IReadOnlyList<int>? carried)
    {
        var next = new KvCache(config, type, layers, blocks);
        for (int layer = Math.Max(0, first); layer < Math.Min(keys.Length, first + layers); layer++)
        {
            BlockPools.HandOver(ref keys[layer], ref next.keys[layer - first], poolBlockBytes, carried);
            BlockPools.HandOver(ref values[layer], ref next.values[layer - first], poolBlockBytes, carried);
        }

        Dispose();
        return next;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (NativeBuffer buffer in keys) buffer.Dispose();
        foreach (NativeBuffer buffer in values) buffer.Dispose();
    }

    private float* Read(byte* head, float* scratch) => KvRows.Read(type, head, scratch, BlockTokens * headDim);

    private byte* Head(NativeBuffer pool, int block, int kvHead) =>
        (byte*)pool.Pointer + (block * poolBlockBytes) + (kvHead * BlockTokens * rowBytes);
}
