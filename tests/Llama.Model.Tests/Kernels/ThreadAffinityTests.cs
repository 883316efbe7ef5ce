using Llama.Model.Kernels;

namespace Llama.Model.Tests.Kernels;

public sealed class ThreadAffinityTests
{
    [Fact]
    public void Pin_Core_KeepsTheThreadThereAndNotThoseThatItStarts()
    {
        Assert.SkipUnless(ThreadAffinity.IsSupported, "Threads are pinned on Linux only.");
        IReadOnlyList<int> all = ThreadAffinity.Cores();
        IReadOnlyList<int> pinned = [];
        IReadOnlyList<int> started = [];
        Run(() =>
        {
            ThreadAffinity.Pin(all[^1]);
            pinned = ThreadAffinity.Cores();
            Run(() => started = ThreadAffinity.Cores());
        });

        Assert.Equal([all[^1]], pinned);
        Assert.Equal(all, started);
        Assert.Equal(all, ThreadAffinity.Cores());
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(8192)]
    public void Pin_NoNumberOfACore_Throws(int core) => Assert.Throws<ArgumentOutOfRangeException>(() => ThreadAffinity.Pin(core));

    private static void Run(ThreadStart body)
    {
        var thread = new Thread(body);
        thread.Start();
        thread.Join();
    }
}
