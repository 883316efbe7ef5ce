using Llama.Bench.Load;

namespace Llama.Bench.Tests.Load;

public class LoadRunTests
{
    [Fact]
    public void Arrivals_Rate_IsTheirMeanAndTheGapsAreExponential()
    {
        TimeSpan[] times = [.. LoadRun.Arrivals(rate: 50, count: 20_001, seed: 1)];
        double[] gaps = [.. times.Skip(1).Zip(times, (later, earlier) => (later - earlier).TotalSeconds)];
        Assert.Equal(TimeSpan.Zero, times[0]);
        Assert.Equal(0.02, gaps.Average(), 0.0005);

        // Of an exponential distribution, 1/e is above the mean.
        Assert.Equal(1 / Math.E, gaps.Count(gap => gap > 0.02) / (double)gaps.Length, 0.01);
        Assert.Equal(times, LoadRun.Arrivals(rate: 50, count: 20_001, seed: 1));
    }
}
