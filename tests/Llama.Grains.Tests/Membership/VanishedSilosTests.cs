using System.Net;
using Llama.Grains.Membership;
using Llama.Tests;

namespace Llama.Grains.Tests.Membership;

public sealed class VanishedSilosTests
{
    private static readonly ProcessMark Gone = ProcessMark.Own! with { Started = "1" };
    private static readonly ProcessMark Elsewhere = ProcessMark.Own! with { Boot = "another machine's" };

    private readonly ManualTime time = new();
    private readonly VanishedSilos vanished;

    public VanishedSilosTests()
    {
        time.Advance(DateTimeOffset.UtcNow - time.GetUtcNow());
        vanished = new VanishedSilos(LocalSilo.AddressOf(1), time);
    }

    [Theory]
    [InlineData(SiloStatus.Joining)]
    [InlineData(SiloStatus.Active)]
    public void Find_ProcessOfThisMachineThatIsGone_IsFoundAtOnceAlsoAfterJoining(SiloStatus own)
    {
        Assert.Equal(
            [LocalSilo.AddressOf(2)],
            Find(Row(1, own, Gone), Row(2, SiloStatus.Active, Gone), Row(3, SiloStatus.Active, ProcessMark.Own), Row(4, SiloStatus.Dead, Gone)));
    }

    [Fact]
    public void Find_RowOfAnotherMachineThatDoesNotChange_IsFoundAfterTwelveSeconds()
    {
        SiloRow[] rows = [Row(1, SiloStatus.Joining), Row(2, SiloStatus.Active), Row(3, SiloStatus.Joining), Row(4, SiloStatus.Active)];
        Assert.Empty(Find(rows));
        time.Advance(VanishedSilos.Silence - TimeSpan.FromSeconds(1));
        rows[3] = rows[3] with { Alive = rows[3].Alive + TimeSpan.FromSeconds(5) };
        Assert.Empty(Find(rows));

        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal([LocalSilo.AddressOf(2), LocalSilo.AddressOf(3)], Find(rows));

        time.Advance(VanishedSilos.Silence);
        Assert.Equal(3, Find(rows).Count());
    }

    [Fact]
    public void Find_StoreWasAway_CountsAnew()
    {
        SiloRow[] rows = [Row(1, SiloStatus.Joining), Row(2, SiloStatus.Active)];
        Find(rows);
        time.Advance(VanishedSilos.Silence);
        vanished.Forget();

        Assert.Empty(Find(rows));
    }

    [Fact]
    public void Find_SiloThatHasJoined_LeavesOtherMachinesToOrleans()
    {
        SiloRow[] rows = [Row(1, SiloStatus.Active), Row(2, SiloStatus.Active)];
        Find(rows);
        time.Advance(TimeSpan.FromMinutes(5));

        Assert.Empty(Find(rows));
    }

    [Fact]
    public void Find_RowFromBeforeThisMachineStarted_IsFoundIfItsAddressIsThisMachines()
    {
        DateTime before = DateTime.UtcNow - TimeSpan.FromMilliseconds(Environment.TickCount64) - TimeSpan.FromMinutes(1);
        SiloRow earlier = Row(2, SiloStatus.Active, Elsewhere) with { Started = before, Alive = before };
        SiloRow now = Row(3, SiloStatus.Active, Elsewhere) with { Started = before, Alive = DateTime.UtcNow };
        SiloRow other = earlier with { Silo = SiloAddress.New(IPAddress.Parse("192.0.2.1"), 20_004, 4) };

        Assert.Equal([earlier.Silo], Find(Row(1, SiloStatus.Joining), earlier, now, other));
    }

    private static SiloRow Row(int number, SiloStatus status, ProcessMark? process = null) =>
        SiloRow.Of(LocalSilo.EntryOf(number, status), process, new MembershipRealm(new MembershipSecrets()).Own);

    private IEnumerable<SiloAddress> Find(params SiloRow[] rows) =>
        vanished.Find(MembershipState.None with { Rows = rows }).Select(row => row.Silo);
}
