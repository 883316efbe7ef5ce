using Llama.Model.Kernels;

namespace Llama.Model.Tests.Kernels;

public sealed class WorkerPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Run_ManyRegions_RunsEveryPartOnceAndWaitsForAll(int threads)
    {
        // More threads than processors, and pauses of all lengths: workers park, are woken late, and must still do each part once.
        using var pool = new WorkerPool(threads, "test");
        int[] runs = new int[threads];
        var random = new Random(1);
        for (int i = 1; i <= 500; i++)
        {
            pool.Run((part, parts) =>
            {
                Assert.Equal(threads, parts);
                Interlocked.Increment(ref runs[part]);
            });
            Assert.All(runs, count => Assert.Equal(i, count));
            if (random.Next(20) == 0) Thread.SpinWait(random.Next(200_000));
        }
    }

    [Fact]
    public void Run_PartThatThrows_ThrowsHereAndThePoolGoesOn()
    {
        using var pool = new WorkerPool(3, "test");
        InvalidOperationException thrown = Assert.Throws<InvalidOperationException>(
            () => pool.Run((part, _) => throw new InvalidDataException($"part {part}")));
        Assert.IsType<InvalidDataException>(thrown.InnerException);
        int done = 0;
        pool.Run((_, _) => Interlocked.Increment(ref done));
        Assert.Equal(3, done);
    }

    [Fact]
    public void Dispose_Twice_EndsTheThreadsOnce()
    {
        var pool = new WorkerPool(3, "test");
        pool.Run((_, _) => { });
        pool.Dispose();
        pool.Dispose();
    }

    [Theory]
    [InlineData(10, 3, 4)]
    [InlineData(64, 5, 4)]
    [InlineData(3, 8, 1)]
    public void Share_AnyCount_CoversEveryItemOnce(int count, int parts, int grain)
    {
        int next = 0;
        for (int part = 0; part < parts; part++)
        {
            (int first, int end) = WorkerPool.Share(count, part, parts, grain);
            Assert.Equal(next, first);
            Assert.True(end == count || end % grain == 0);
            next = end;
        }

        Assert.Equal(count, next);
    }
}
