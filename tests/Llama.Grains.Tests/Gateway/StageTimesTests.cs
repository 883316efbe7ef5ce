using Llama.Grains.Gateway;
using Llama.Model.Layers;

namespace Llama.Grains.Tests.Gateway;

public sealed class StageTimesTests
{
    private readonly StageTimes times = new(["a", "b"]);
    private readonly RangeProgress[] progress = new RangeProgress[2];

    [Fact]
    public void LayerSeconds_BeforeEveryStageHasWorkedEnough_IsNotKnown()
    {
        Assert.Null(times.LayerSeconds);
        Work(0, 0, 0);
        Work(1, 0, 0);
        Work(0, 100, 9);
        Work(1, 100, 9);
        Assert.Null(times.LayerSeconds);
        Work(0, 100, 11);
        Assert.Null(times.LayerSeconds);
        Work(1, 100, 6);
        Assert.Equal([0.1, 0.075], times.LayerSeconds!.OrderBy(pair => pair.Key).Select(pair => pair.Value), Near);
    }

    [Fact]
    public void LayerSeconds_RangeThatWorkedInAnotherEpoch_CountsFromTheFirstSign()
    {
        progress[0] = progress[0] with { Layers = 1_000_000, LayerTime = TimeSpan.FromHours(5) };
        Work(0, 0, 0);
        Work(1, 0, 0);
        Work(0, 100, 20);
        Work(1, 100, 40);
        Assert.Equal([0.2, 0.4], times.LayerSeconds!.OrderBy(pair => pair.Key).Select(pair => pair.Value), Near);
    }

    [Fact]
    public void LayerSeconds_StageThatHasBecomeSlower_IsForgottenAsItWas()
    {
        Work(0, 0, 0);
        Work(1, 0, 0);
        for (int i = 0; i < 10; i++)
        {
            Work(0, 100, 10);
            Work(1, 100, 10);
        }

        Assert.Equal(0.1, times.LayerSeconds!["b"], 1e-9);
        for (int i = 0; i < 10; i++)
        {
            Work(0, 100, 10);
            Work(1, 100, 20);
        }

        Assert.Equal((0.1, 0.2), (times.LayerSeconds!["a"], times.LayerSeconds["b"]));
    }

    [Fact]
    public void LayerSeconds_NonsenseOfAStage_IsNoTime()
    {
        Work(0, 0, 0);
        times.Hear(1, new RangeProgress(1, long.MaxValue, 1, TimeSpan.MaxValue));
        Work(0, 100, 20);
        times.Hear(1, new RangeProgress(1, long.MinValue, 1, TimeSpan.MinValue));
        Assert.Null(times.LayerSeconds);
        times.Hear(1, new RangeProgress(1, long.MinValue, 1, TimeSpan.MaxValue));
        Assert.Null(times.LayerSeconds);
    }

    private static bool Near(double a, double b) => Math.Abs(a - b) < 1e-9;

    private void Work(int stage, int layers, double seconds)
    {
        RangeProgress before = progress[stage];
        progress[stage] = before with { Layers = before.Layers + layers, LayerTime = before.LayerTime + TimeSpan.FromSeconds(seconds) };
        times.Hear(stage, progress[stage]);
    }
}
