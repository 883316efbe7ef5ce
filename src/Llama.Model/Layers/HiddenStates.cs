using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Llama.Model.Layers;

/// <summary>
/// Hidden states of a step, <c>[tokens, dim]</c> single-precision numbers in the machine's (little-endian) order, in memory that the
/// backend chose and that links can send from and receive into. Dispose of it to give the memory back.
/// </summary>
public abstract class HiddenStates : IDisposable
{
    /// <summary>The bytes: <c>tokens × dim × 4</c>.</summary>
    public abstract Memory<byte> Bytes { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives the memory back.</summary>
    /// <param name="disposing">Whether called from <see cref="Dispose()"/>.</param>
    protected abstract void Dispose(bool disposing);
}

/// <summary>Hidden states in pinned arrays that a pool keeps; all of a pool have room for as many tokens.</summary>
internal sealed unsafe class PinnedHiddenStates : HiddenStates
{
    private readonly byte[] array;
    private readonly ConcurrentBag<PinnedHiddenStates> pool;
    private readonly int tokenBytes;
    private int length;

    private PinnedHiddenStates(ConcurrentBag<PinnedHiddenStates> pool, int dim, int maxTokens)
    {
        this.pool = pool;
        tokenBytes = dim * sizeof(float);
        array = GC.AllocateUninitializedArray<byte>(maxTokens * tokenBytes, pinned: true);
    }

    /// <inheritdoc/>
    public override Memory<byte> Bytes => array.AsMemory(0, length);

    /// <summary>First float.</summary>
    public float* Pointer => (float*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array));

    /// <summary>Takes one from the pool, or makes one.</summary>
    /// <param name="pool">Those that nobody uses, all of one range.</param>
    /// <param name="tokens">Tokens that it is for.</param>
    /// <param name="dim">Width of a token's hidden states.</param>
    /// <param name="maxTokens">Tokens that those of the pool have room for.</param>
    public static PinnedHiddenStates Rent(
        ConcurrentBag<PinnedHiddenStates> pool, int tokens, int dim, int maxTokens = CpuBuffers.MaxTokens)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tokens, maxTokens);
        if (!pool.TryTake(out PinnedHiddenStates? states)) states = new PinnedHiddenStates(pool, dim, maxTokens);
        states.length = tokens * states.tokenBytes;
        return states;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (Interlocked.Exchange(ref length, 0) > 0) pool.Add(this);
    }
}
