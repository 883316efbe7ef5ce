using Llama.Grains.Gateway;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Silos;

namespace Llama.Grains.Tests.Gateway;

public sealed class MemorySharesTests
{
    [Fact]
    public void Of_SilosOfOneMachineThatDoNotSay_GetEqualShares() =>
        Assert.Equal([33, 33, 33], Shares(Silo("a", 100), Silo("a", 100), Silo("a", 100)));

    [Fact]
    public void Of_SilosOfDifferentMachines_KeepTheirs() => Assert.Equal([100, 60], Shares(Silo("a", 100), Silo("b", 60)));

    [Fact]
    public void Of_SilosWithMemoryOfTheirOwn_KeepIt() => Assert.Equal([100, 100], Shares(Silo(null, 100), Silo(null, 100)));

    [Fact]
    public void Of_SomeThatSay_GetThatAndTheOthersEqualSharesOfTheRest() =>
        Assert.Equal([30, 35, 35], Shares(Silo("a", 30, given: true), Silo("a", 100), Silo("a", 100)));

    [Fact]
    public void Of_AllSay_GetWhatTheySayEvenTogetherMoreThanTheMachineHas() =>
        Assert.Equal([80, 80], Shares(Silo("a", 80, given: true), Silo("a", 80, given: true)));

    [Fact]
    public void Of_NothingIsLeft_IsNextToNothing() =>
        Assert.Equal([long.MaxValue, 1, 1], Shares(Silo("a", long.MaxValue, given: true), Silo("a", 100), Silo("a", 100)));

    [Fact]
    public void Of_SeveralMachines_AreDividedEachForItself() =>
        Assert.Equal([50, 20, 50, 40], Shares(Silo("a", 100), Silo("b", 20, given: true), Silo("a", 100), Silo("b", 60)));

    private static Member Silo(string? memory, long bytes, bool given = false) =>
        Members.Make($"silo-{Guid.NewGuid()}") with { SharedMemory = memory, MemoryBytes = bytes, IsMemoryGiven = given };

    private static IEnumerable<long> Shares(params Member[] silos)
    {
        IReadOnlyList<Member> shares = MemoryShares.Of(silos);
        Assert.Equal(silos.Select(silo => silo.Name), shares.Select(silo => silo.Name));
        return shares.Select(silo => silo.MemoryBytes);
    }
}
