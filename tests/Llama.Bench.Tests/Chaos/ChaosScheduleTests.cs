using Llama.Bench.Chaos;

namespace Llama.Bench.Tests.Chaos;

public class ChaosScheduleTests
{
    private static readonly ChaosOptions Options = new()
    {
        Silos = 3, Standbys = 1, Seconds = 600, Events = 30, GatewayKills = 3, EtcdKills = 3, Seed = 7,
    };

    [Fact]
    public void Of_SameSeed_IsTheSameAndOfAnotherIsNot()
    {
        Assert.Equal(ChaosSchedule.Of(Options), ChaosSchedule.Of(Options));
        Assert.NotEqual(ChaosSchedule.Of(Options), ChaosSchedule.Of(Options with { Seed = 8 }));
    }

    [Fact]
    public void Of_TenMinutes_HasEveryActionAndNeverTooManyAtOnce()
    {
        IReadOnlyList<ChaosEvent> events = ChaosSchedule.Of(Options);
        Assert.InRange(events.Count, 100, 300);
        Assert.Equal(Enum.GetValues<ChaosAction>(), events.Select(item => item.Action).Distinct().Order());
        foreach (ChaosEvent item in events)
        {
            ChaosEvent[] others = [.. events.Where(other => other != item && other.At <= item.At && other.At + other.Lasts > item.At)];
            Assert.DoesNotContain(others, other => (other.Silo, IsOfEtcd(other)) == (item.Silo, IsOfEtcd(item)));
            bool joins = item.Action == ChaosAction.Join;
            Assert.Equal(joins, item.Silo > Options.Silos + Options.Standbys);
            Assert.Equal(item.Action > ChaosAction.Join, item.Silo == 0);
            if (item.Action < ChaosAction.Join) Assert.InRange(others.Count(other => other.Action < ChaosAction.Join), 0, Options.Standbys);
        }
    }

    [Fact]
    public void Of_NoEvents_IsEmpty() => Assert.Empty(ChaosSchedule.Of(Options with { Events = 0, GatewayKills = 0, EtcdKills = 0 }));

    private static bool IsOfEtcd(ChaosEvent item) => item.Action >= ChaosAction.KillEtcd;
}
