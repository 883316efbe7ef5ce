using Llama.Bench.Simulate;

namespace Llama.Bench.Tests.Simulate;

public sealed class ExplorationTests
{
    /// <summary>Many small worlds, because each has its own limits, budget and prompts.</summary>
    [Fact]
    public void Run_OneHundredThousandArrivals_EveryClientGetsWhatItGetsAlone()
    {
        ExplorationResult all = Enumerable.Range(1, 100).Select(seed => Exploration.Run(seed, 1000)).Aggregate((a, b) => a + b);
        TestContext.Current.TestOutputHelper?.WriteLine($"{all}");

        // All of what was to be explored did happen.
        Assert.InRange(all.Completed + all.Cancelled + all.Refused, 100_000, 101_000);
        Assert.InRange(all.Completed, 30_000, 100_000);
        Assert.InRange(all.Cancelled, 1000, 100_000);
        Assert.InRange(all.Refused, 1000, 100_000);
        Assert.InRange(all.Preemptions, 1000, long.MaxValue);
        Assert.InRange(all.Losses, 200, int.MaxValue);
        Assert.InRange(all.Repartitions, 50, int.MaxValue);
        Assert.InRange(all.Rebuilt, 10_000, long.MaxValue);
        Assert.InRange(all.CachedTokens, 100_000, long.MaxValue);
        Assert.InRange(all.Copies, 1000, long.MaxValue);
    }

    [Fact]
    public void Run_SameSeed_DoesTheSame() => Assert.Equal(Exploration.Run(7, 500), Exploration.Run(7, 500));
}
