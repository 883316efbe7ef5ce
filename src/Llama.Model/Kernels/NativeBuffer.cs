using System.Runtime.InteropServices;

namespace Llama.Model.Kernels;

/// <summary>
/// Zeroed floats outside the managed heap, aligned to 64 bytes: pages that are never touched take no memory. Large ones ask for huge pages. A holder of the pointer
/// keeps the buffer. The finalizer frees what a constructor that failed left behind.
/// </summary>
internal sealed unsafe class NativeBuffer : IDisposable
{
    private void* memory;

    /// <summary>Allocates the buffer.</summary>
    /// <param name="length">Floats, at least 1.</param>
    /// <exception cref="OutOfMemoryException">The system refuses.</exception>
    public NativeBuffer(long length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        Length = length;
        nuint bytes = (nuint)(length * sizeof(float));

        // The C library's zeroed allocation maps fresh pages for large sizes; an aligned one would have to be cleared page by page.
        memory = NativeMemory.AllocZeroed(bytes + 64);
        Pointer = (float*)(((nuint)memory + 63) & ~(nuint)63);
        MemoryPages.AskForHuge((nint)memory, (long)bytes + 64);
        GC.AddMemoryPressure((long)bytes);
    }

    /// <summary>Frees the memory.</summary>
    ~NativeBuffer() => Free();

    /// <summary>First float.</summary>
    public float* Pointer { get; private set; }

    /// <summary>Number of floats.</summary>
    public long Length { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (memory is null) return;
        NativeMemory.Free(memory);
        memory = null;
        Pointer = null;
        GC.RemoveMemoryPressure(Length * sizeof(float));
    }
}
