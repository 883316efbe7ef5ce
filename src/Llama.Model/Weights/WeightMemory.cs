using Llama.Model.Kernels;

namespace Llama.Model.Weights;

/// <summary>
/// Memory for copies of weights. Small matrices lie one behind the other in large buffers: alone, few of them would be as large as a huge
/// page. A buffer is freed with the last matrix in it, so a matrix may outlive the range that it was copied for.
/// </summary>
internal sealed class WeightMemory : IDisposable
{
    private const long BufferBytes = 32L << 20;
    private const long LargePieceBytes = BufferBytes / 4;
    private SharedBuffer? current;

    /// <summary>Zeroed memory for one matrix.</summary>
    /// <param name="bytes">How many, at least 1.</param>
    /// <exception cref="OutOfMemoryException">The system refuses.</exception>
    public Piece Take(long bytes)
    {
        if (bytes > LargePieceBytes)
        {
            var own = new SharedBuffer(bytes);
            Piece all = own.Take(bytes)!;
            own.Dispose();
            return all;
        }

        if (current?.Take(bytes) is { } piece) return piece;
        Dispose();
        current = new SharedBuffer(BufferBytes);
        return current.Take(bytes)!;
    }

    /// <summary>Takes no more pieces from the buffer that was begun.</summary>
    public void Dispose()
    {
        current?.Dispose();
        current = null;
    }

    /// <summary>The memory of one matrix.</summary>
    internal sealed unsafe class Piece(SharedBuffer buffer, byte* pointer) : IDisposable
    {
        private SharedBuffer? buffer = buffer;

        /// <summary>First byte, aligned to 64.</summary>
        public byte* Pointer { get; private set; } = pointer;

        /// <inheritdoc/>
        public void Dispose()
        {
            Interlocked.Exchange(ref buffer, null)?.Dispose();
            Pointer = null;
        }
    }

    /// <summary>A buffer from a huge page's start on, with as many owners as there are pieces of it, and one more as long as it may be cut further.</summary>
    internal sealed unsafe class SharedBuffer(long bytes) : IDisposable
    {
        private const int AlignmentBytes = 64;
        private readonly NativeBuffer memory = new((bytes + MemoryPages.HugeBytes) / sizeof(float));
        private long taken;
        private int owners = 1;

        /// <summary>The next piece; null where there is no room left.</summary>
        public Piece? Take(long size)
        {
            if (taken + size > bytes) return null;
            var piece = new Piece(this, (byte*)MemoryPages.HugeFrom((nint)memory.Pointer) + taken);
            taken += (size + AlignmentBytes - 1) / AlignmentBytes * AlignmentBytes;
            Interlocked.Increment(ref owners);
            return piece;
        }

        /// <summary>One owner less; without any the memory is freed.</summary>
        public void Dispose()
        {
            if (Interlocked.Decrement(ref owners) == 0) memory.Dispose();
        }
    }
}
