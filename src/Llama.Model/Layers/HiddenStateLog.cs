using Llama.Model.Kernels;

namespace Llama.Model.Layers;

/// <summary>
/// The hidden states that a range has put out, by KV block and position, <c>[blocks, 16, dim]</c>: as long as a block holds the keys and
/// values of some positions, this holds what the next range computed its own from. With it that range can be rebuilt elsewhere, and the
/// ranges up to here need not compute anything again. Memory is taken as blocks are first written.
/// </summary>
internal sealed unsafe class HiddenStateLog(int dim, int blocks) : IDisposable
{
    private readonly NativeBuffer pool = new((long)blocks * Step.BlockTokens * dim);

    /// <summary>Bytes of one block.</summary>
    public static long BlockBytes(int dim) => (long)Step.BlockTokens * dim * sizeof(float);

    /// <summary>Keeps what a step put out, its copies of blocks before.</summary>
    /// <param name="step">The step, checked.</param>
    /// <param name="hidden">Hidden states, <c>[tokens, dim]</c>.</param>
    public void Write(Step step, float* hidden)
    {
        Copy(step);
        foreach (StepSequence sequence in step.Sequences)
        {
            float* states = hidden + ((long)sequence.TokenOffset * dim);
            for (int i = 0; i < sequence.TokenCount; i++) Move(states + ((long)i * dim), Slot(step, sequence, i), dim);
        }
    }

    /// <summary>Puts out again what was kept of a step's positions, after its copies of blocks.</summary>
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

    /// <summary>Copies the blocks that a step copies.</summary>
    public void Copy(Step step)
    {
        long length = (long)Step.BlockTokens * dim;
        foreach (BlockCopy copy in step.Copies)
            Move(pool.Pointer + (copy.Source * length), pool.Pointer + (copy.Target * length), length);
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
