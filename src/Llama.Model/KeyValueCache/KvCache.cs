using Llama.Model.Kernels;
using Llama.Model.Layers;

namespace Llama.Model.KeyValueCache;

/// <summary>
/// Keys and values of one layer range, in blocks of 16 positions. The owner of the pipeline hands out block numbers; this is only the
/// memory behind them. Every layer has its own pools, so a range can be cut anew and the layers that stay keep their blocks.
/// A block holds <c>[kvHeads, 16, headDim]</c> keys and as many values, in single precision.
/// </summary>
internal sealed unsafe class KvCache : IDisposable
{
    /// <summary>Positions in a block.</summary>
    public const int BlockTokens = Step.BlockTokens;

    private readonly NativeBuffer[] keys;
    private readonly NativeBuffer[] values;
    private readonly int headDim;
    private readonly long blockLength;

    /// <summary>Allocates pools for <paramref name="layers"/> layers; memory is taken as blocks are first written.</summary>
    public KvCache(ModelConfig config, int layers, int blocks)
    {
        headDim = config.HeadDim;
        blockLength = (long)BlockTokens * config.KvDim;
        Blocks = blocks;
        keys = new NativeBuffer[layers];
        values = new NativeBuffer[layers];
        for (int i = 0; i < layers; i++)
        {
            keys[i] = new NativeBuffer(blockLength * blocks);
            values[i] = new NativeBuffer(blockLength * blocks);
        }
    }

    /// <summary>Blocks in each pool.</summary>
    public int Blocks { get; }

    /// <summary>Bytes that one block takes in one layer.</summary>
    public static long BlockBytes(ModelConfig config) => 2L * BlockTokens * config.KvDim * sizeof(float);

    /// <summary>The sixteen keys of a block and head, <c>[16, headDim]</c>.</summary>
    /// <param name="layer">Layer within the range.</param>
    /// <param name="block">Block number.</param>
    /// <param name="kvHead">Key-value head.</param>
    public float* Keys(int layer, int block, int kvHead) => Head(keys[layer], block, kvHead);

    /// <summary>The sixteen values of a block and head, <c>[16, headDim]</c>.</summary>
    public float* Values(int layer, int block, int kvHead) => Head(values[layer], block, kvHead);

    /// <summary>Copies a block's keys and values in every layer.</summary>
    public void CopyBlock(int source, int target)
    {
        for (int layer = 0; layer < keys.Length; layer++)
        {
            Copy(keys[layer], source, target);
            Copy(values[layer], source, target);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (NativeBuffer buffer in keys) buffer.Dispose();
        foreach (NativeBuffer buffer in values) buffer.Dispose();
    }

    private void Copy(NativeBuffer pool, int source, int target)
    {
        long bytes = blockLength * sizeof(float);
        Buffer.MemoryCopy(pool.Pointer + (source * blockLength), pool.Pointer + (target * blockLength), bytes, bytes);
    }

    private float* Head(NativeBuffer pool, int block, int kvHead) =>
        pool.Pointer + (block * blockLength) + ((long)kvHead * BlockTokens * headDim);
}
