using System.Net;
using Llama.Grains.Hosting;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Hosting;

public sealed class SiloEvictionTests
{
    [Fact]
    public async Task TryEvict_SiloIsThere_IsDeadAfterwards()
    {
        await using var cluster = new TestSilos();
        OrleansSilo[] silos = await cluster.StartAsync(("a", "worker"), ("b", "worker"));
        SiloAddress address = silos[0].Incarnation!.Address;

        Assert.True(await EvictAsync(silos[1], address));
        Assert.True(await EvictAsync(silos[1], address));

        Assert.Equal(SiloStatus.Dead, cluster.Table.Rows.Single(row => row.SiloAddress.Equals(address)).Status);
    }

    [Fact]
    public async Task TryEvict_UnknownSilo_FailsAtOnceAndLaterOnesAreNotHeldUp()
    {
        await using var cluster = new TestSilos();
        OrleansSilo[] silos = await cluster.StartAsync(("a", "worker"), ("b", "worker"));

        Assert.False(await EvictAsync(silos[1], SiloAddress.New(IPAddress.Loopback, 1, SiloAddress.AllocateNewGeneration())));
        Assert.True(await EvictAsync(silos[1], silos[0].Incarnation!.Address).WaitAsync(TimeSpan.FromSeconds(1), Patience.Token));
    }

    [Fact]
    public async Task TryEvict_StoreIsAway_FailsAndNobodyDiesWhenItIsBack()
    {
        await using var cluster = new TestSilos();
        OrleansSilo[] silos = await cluster.StartAsync(("a", "worker"), ("b", "worker"));
        SiloIncarnation victim = silos[0].Incarnation!;

        cluster.Table.Away = true;
        Assert.False(await EvictAsync(silos[1], victim.Address));
        cluster.Table.Away = false;
        await Task.Delay(TimeSpan.FromSeconds(1.5), Patience.Token);

        Assert.Equal(SiloStatus.Active, cluster.Table.Rows.Single(row => row.SiloAddress.Equals(victim.Address)).Status);
        Assert.Same(victim, silos[0].Incarnation);
    }

    private static Task<bool> EvictAsync(OrleansSilo by, SiloAddress address) =>
        new SiloEviction(by, NullLogger<SiloEviction>.Instance).TryEvictAsync(address, "test", Patience.Token).Soon();
}
