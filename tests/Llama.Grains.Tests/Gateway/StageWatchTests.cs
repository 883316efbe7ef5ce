using Llama.Grains.Gateway;
using Llama.Model.Layers;
using Llama.Tests;

namespace Llama.Grains.Tests.Gateway;

public sealed class StageWatchTests
{
    private readonly ManualTime time = new();
    private long layers;

    [Fact]
    public void Check_SilentProcess_IsDeadAfterThreeSeconds()
    {
        StageWatch watch = Watch();
        watch.Hear(0, default);
        watch.Hear(1, default);
        Assert.Null(Run(watch, 3, hear: 0));
        (int? Stage, string Reason)? fault = Run(watch, 0.25, hear: 0);
        Assert.Equal((1, "silo-2 has given no heartbeat for 3 s."), fault);
    }

    [Fact]
    public void Check_NobodyHeardOfYet_IsLoading()
    {
        Assert.Null(Run(Watch(), 600));
    }

    [Fact]
    public void Check_LivingProcessThatComputesNoLayer_HangsAfterFiveSecondsAndIsNamed()
    {
        StageWatch watch = Watch();
        Assert.Null(Run(watch, 60, all: Idle));
        watch.Sent(1);
        Assert.Null(Run(watch, 5, all: stage => new RangeProgress(1, 7, stage, default)));
        Assert.Equal(
            (1, "silo-2 has a step and has computed no layer for 5 s."), Run(watch, 1, all: stage => new RangeProgress(1, 7, stage, default)));
    }

    [Fact]
    public void Check_StepThatNoStageHas_HangsAndNobodyIsToBlame()
    {
        StageWatch watch = Watch();
        watch.Sent(1);
        Assert.Equal((null, "No step has moved for 5 s, and no stage has one."), Run(watch, 6, all: Idle));
    }

    [Fact]
    public void Check_LayersOrResultsNowAndThen_NeverHang()
    {
        StageWatch watch = Watch();
        watch.Sent(1);
        watch.Sent(1);
        for (int i = 0; i < 10; i++) Assert.Null(Run(watch, 4, all: _ => new RangeProgress(1, ++layers / 20, 1, default)));
        watch.Answered();
        Assert.Null(Run(watch, 4.5, all: Idle));
        watch.Answered();
        Assert.Null(Run(watch, 60, all: Idle));
        watch.Sent(1);
        Assert.Null(Run(watch, 5, all: Idle));
    }

    [Theory]
    [InlineData(0.1, 0, 1, 5)]
    [InlineData(0.8, 0, 1, 8)]
    [InlineData(0.2, 0.01, 100, 12)]
    public void Check_SlowLayers_MayTakeTenTimesThePrediction(double seconds, double secondsAToken, int tokens, double limit)
    {
        StageWatch watch = Watch(new LayerTime(seconds, secondsAToken));
        watch.Sent(1);
        watch.Sent(tokens);
        Assert.Null(Run(watch, limit, all: _ => new RangeProgress(1, 0, 1, default)));
        Assert.NotNull(Run(watch, 0.5, all: _ => new RangeProgress(1, 0, 1, default)));
    }

    [Fact]
    public void Check_ThisProcessStoodStill_EverythingBeginsAnew()
    {
        StageWatch watch = Watch();
        watch.Sent(1);
        Assert.Null(Run(watch, 2.5, all: Idle));
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(watch.Check());
        Assert.Null(Run(watch, 3));
        Assert.Equal(0, Run(watch, 0.25)?.Stage);
    }

    private static RangeProgress Idle(int stage) => default;

    private StageWatch Watch(LayerTime slowest = default) => new(["silo-1", "silo-2"], slowest, time);

    /// <summary>Lets time pass; the stages in question give heartbeats.</summary>
    private (int? Stage, string Reason)? Run(StageWatch watch, double seconds, int? hear = null, Func<int, RangeProgress>? all = null)
    {
        for (double passed = 0; passed < seconds; passed += StageWatch.Interval.TotalSeconds)
        {
            if (hear is { } one) watch.Hear(one, default);
            for (int stage = 0; all is not null && stage < 2; stage++) watch.Hear(stage, all(stage));
            time.Advance(StageWatch.Interval);
            if (watch.Check() is { } fault) return fault;
        }

        return null;
    }
}
