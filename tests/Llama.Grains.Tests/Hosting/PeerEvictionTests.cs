using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Llama.Grains.Hosting;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Hosting;

/// <summary>Which silos a peer has declared dead, and which it leaves alone.</summary>
public sealed class PeerEvictionTests
{
    [Fact]
    public async Task Suspect_SiloWhosePortIsClosed_IsDeadBeforeItCouldBeProbed()
    {
        await using var cluster = new TestSilos();
        OrleansSilo[] silos = await cluster.StartAsync(("a", "worker"), ("b", "worker"));
        SiloAddress gone = await AddAsync(cluster, silos[0], Nobody());
        await using var eviction = Of(silos[0]);
        long start = Stopwatch.GetTimestamp();
        eviction.Suspect(gone);
        await Patience.UntilAsync(() => Status(silos[0], gone) == SiloStatus.Dead, () => $"{Status(silos[0], gone)}");

        // Orleans sees it after a second at the earliest, when the first probe is due.
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(0.8));
        Assert.False(await eviction.TryEvictAsync(gone, Patience.Token));
    }

    [Fact]
    public async Task TryEvictAsync_SiloThatAnswers_IsLeftAlone()
    {
        await using var cluster = new TestSilos();
        OrleansSilo[] silos = await cluster.StartAsync(("a", "worker"), ("b", "worker"), ("c", "worker"));
        await using var eviction = Of(silos[0]);
        Assert.False(await eviction.TryEvictAsync(silos[1].Incarnation!.Address, Patience.Token).Soon());
        Assert.Equal(SiloStatus.Active, Status(silos[0], silos[1].Incarnation!.Address));
    }

    /// <summary>A port whose backlog is full answers nothing, as a machine that is cut off.</summary>
    [Fact]
    public async Task TryEvictAsync_Silence_IsNoProof()
    {
        await using var cluster = new TestSilos();
        OrleansSilo[] silos = await cluster.StartAsync(("a", "worker"), ("b", "worker"));
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        silent.Listen(0);
        Socket[] waiting = [.. Enumerable.Range(0, 4).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))];
        foreach (Socket one in waiting) _ = one.ConnectAsync(silent.LocalEndPoint!, Patience.Token).AsTask();
        SiloAddress address = await AddAsync(cluster, silos[0], (IPEndPoint)silent.LocalEndPoint!);
        await using var eviction = Of(silos[0]);
        Assert.False(await eviction.TryEvictAsync(address, Patience.Token).Soon());
        foreach (Socket one in waiting) one.Dispose();
    }

    [Fact]
    public async Task TryEvictAsync_NobodyElseAnswers_IsNoProof()
    {
        await using var cluster = new TestSilos();
        OrleansSilo silo = await cluster.StartAsync("a");
        SiloAddress gone = await AddAsync(cluster, silo, Nobody());
        await using var eviction = Of(silo);
        Assert.False(await eviction.TryEvictAsync(gone, Patience.Token).Soon());
    }

    [Fact]
    public async Task TryEvictAsync_AnotherIncarnation_IsLeftAlone()
    {
        await using var cluster = new TestSilos();
        OrleansSilo[] silos = await cluster.StartAsync(("a", "worker"), ("b", "worker"));
        SiloAddress gone = await AddAsync(cluster, silos[0], Nobody());
        await using var eviction = Of(silos[0]);
        Assert.False(await eviction.TryEvictAsync(SiloAddress.New(gone.Endpoint, gone.Generation - 1), Patience.Token).Soon());
    }

    private static PeerEviction Of(OrleansSilo silo) => new(silo, TimeProvider.System, NullLogger.Instance);

    private static SiloStatus Status(OrleansSilo silo, SiloAddress address) => silo.Membership.CurrentSnapshot.GetSiloStatus(address);

    /// <summary>A port of loopback that nobody listens on.</summary>
    private static IPEndPoint Nobody() => new(IPAddress.Loopback, FreePort.Choose());

    /// <summary>A silo that the cluster takes for active, and that is not there.</summary>
    private static async Task<SiloAddress> AddAsync(TestSilos cluster, OrleansSilo silo, IPEndPoint endPoint)
    {
        SiloAddress address = SiloAddress.New(endPoint, SiloAddress.AllocateNewGeneration());
        MembershipTableData table = await cluster.Table.ReadAll();
        var entry = new MembershipEntry
        {
            SiloAddress = address, SiloName = "gone", HostName = "gone", Status = SiloStatus.Active, StartTime = DateTime.UtcNow,
            IAmAliveTime = DateTime.UtcNow, SuspectTimes = [],
        };
        Assert.True(await cluster.Table.InsertRow(entry, table.Version.Next()));
        await silo.Membership.Refresh(new MembershipVersion(table.Version.Version + 1), Patience.Token);
        await Patience.UntilAsync(() => silo.View.Find("gone") is not null, () => $"{silo.View}");
        return address;
    }
}
