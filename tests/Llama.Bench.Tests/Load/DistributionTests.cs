using Llama.Bench.Load;

namespace Llama.Bench.Tests.Load;

public class DistributionTests
{
    [Fact]
    public void Of_AHundredTimes_IsTheirNearestRanks() =>
        Assert.Equal(new Distribution(50, 90, 99, 100), Distribution.Of(Enumerable.Range(1, 100).Reverse().Select(i => (double)i)));

    [Fact]
    public void Of_FewTimes_IsOneOfThem()
    {
        Assert.Equal(new Distribution(7, 7, 7, 7), Distribution.Of([7]));
        Assert.Equal(new Distribution(2, 3, 3, 3), Distribution.Of([3, 1, 2]));
        Assert.Null(Distribution.Of([]));
    }
}
