using Llama.Model.Kernels;
using Llama.Model.KeyValueCache;

namespace Llama.Model.Layers;

/// <summary>
/// The hidden states between two layers, by KV block and position, <c>[blocks, 16, dim]</c>: as long as a block holds the keys and
/// values of some positions, this holds what the next layer computed its own from. With it that layer and those behind it can be rebuilt
/// elsewhere, and the layers up to here need not compute anything again. Memory is taken as blocks are first written.
/// </summary>
internal sealed unsafe class HiddenStateLog(int dim, int blocks) : IDisposable
{
    private NativeBuffer pool = new((long)blocks * Step.BlockTokens * dim);

    /// <summary>Bytes of one block.</summary>
    public static long BlockBytes(int dim) => (long)Step.BlockTokens * dim * sizeof(float);

    /// <summary>Keeps what the layer before put out for a step.</summary>
    /// <param name="step">The step, checked.</param>
    /// <param name="hidden">Hidden states, <c>[tokens, dim]</c>.</param>
    public void Write(Step step, float* hidden)
    {
        foreach (StepSequence sequence in step.Sequences)
        {
            float* states = hidden + ((long)sequence.TokenOffset * dim);
            for (int i = 0; i < sequence.TokenCount; i++) Move(states + ((long)i * dim), Slot(step, sequence, i), dim);
        }
    }

    /// <summary>Puts out again what was kept of a step's positions.</summary>
    /// <param name="step">The step, checked.</param>
    /// <param name="hidden">Filled with hidden states, <c>[tokens, dim]</c>.</param>
    public void Read(Step step, float* hidden)
    {
        foreach (StepSequence sequence in step.Sequences)
        {
            float* states = hidden + ((long)sequence.TokenOffset * dim);
            for (int i = 0; i < sequence.TokenCount; i++) Move(Slot(step, sequence, i), states + ((long)i * dim), dim);
        }
    }

    /// <summary>Copies the blocks that a step copies, which comes before all else.</summary>
    public void Copy(Step step)
    {
        long length = (long)Step.BlockTokens * dim;
        foreach (BlockCopy copy in step.Copies)
            Move(pool.Pointer + (copy.Source * length), pool.Pointer + (copy.Target * length), length);
    }

    /// <summary>A log of another number of blocks that goes on with what this one has; this one is disposed of.</summary>
    /// <param name="count">Its blocks.</param>
    /// <param name="carried">The blocks that go on, in the order of their new numbers; null when the numbers stay as they are.</param>
    public HiddenStateLog Repartition(int count, IReadOnlyList<int>? carried)
    {
        var next = new HiddenStateLog(dim, count);
        BlockPools.HandOver(ref pool, ref next.pool, BlockBytes(dim), carried);
        Dispose();
        return next;
    }

    /// <inheritdoc/>
    public void Dispose() => pool.Dispose();

    private float* Slot(Step step, StepSequence sequence, int token)
    {
        int position = sequence.FirstPosition + token;
        long block = step.Blocks[sequence.BlockOffset + (position / Step.BlockTokens)];
        return pool.Pointer + (((block * Step.BlockTokens) + (position % Step.BlockTokens)) * dim);
    }

    private static void Move(float* source, float* target, long length) =>
        Buffer.MemoryCopy(source, target, length * sizeof(float), length * sizeof(float));
}
