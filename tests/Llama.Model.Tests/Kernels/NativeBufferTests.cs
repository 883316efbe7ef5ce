using System.Diagnostics;
using System.Runtime.CompilerServices;
using Llama.Model.Kernels;

namespace Llama.Model.Tests.Kernels;

public sealed unsafe class NativeBufferTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(1_000_003)]
    public void Constructor_AnyLength_GivesThatManyAlignedZeros(int length)
    {
        using var buffer = new NativeBuffer(length);
        Assert.Equal(length, buffer.Length);
        Assert.Equal(0, (nint)buffer.Pointer % 64);
        Assert.False(new ReadOnlySpan<float>(buffer.Pointer, length).ContainsAnyExcept(0));
        new Span<float>(buffer.Pointer, length).Fill(1);
    }

    [Fact]
    public void Constructor_MoreThanThereIs_ThrowsOutOfMemory()
    {
        Assert.Throws<OutOfMemoryException>(() => new NativeBuffer(long.MaxValue / 8));
        Collect();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void Constructor_NoLength_Throws(long length) => Assert.Throws<ArgumentOutOfRangeException>(() => new NativeBuffer(length));

    [Fact]
    public void Dispose_Twice_FreesOnce()
    {
        var buffer = new NativeBuffer(10);
        buffer.Dispose();
        buffer.Dispose();
        Assert.True(buffer.Pointer is null);
    }

    [Fact]
    public void Finalizer_BufferThatAFailedConstructorLeft_IsFreed()
    {
        const long GiB = 1L << 30;
        using var process = Process.GetCurrentProcess();
        long before = process.VirtualMemorySize64;
        for (int i = 0; i < 30; i++)
        {
            Abandon(GiB / sizeof(float));
            Collect();
        }

        process.Refresh();
        Assert.InRange(process.VirtualMemorySize64 - before, long.MinValue, 15 * GiB);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Abandon(long length) => _ = new NativeBuffer(length);

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }
}
