using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Llama.Grains.Hosting;

namespace Llama.Grains.Tests.Hosting;

public sealed class OrleansSiloTests
{
    [Fact]
    public async Task Evicted_JoinsAnewAtTheSamePortsAndItsGrainsAnswer()
    {
        await using var cluster = new TestSilos();
        OrleansSilo[] silos = await cluster.StartAsync(("a", "worker"), ("b", "worker"));
        (OrleansSilo a, OrleansSilo b) = (silos[0], silos[1]);
        SiloIncarnation first = a.Incarnation!;
        (IPEndPoint silo, IPEndPoint client) = (a.SiloEndPoint!, a.ClientEndPoint!);
        Place before = await b.Grains.GetGrain<INamedGrain>("a/grain").WhereAsync();

        long start = Stopwatch.GetTimestamp();
        Assert.True(await b.Membership.TryKill(first.Address));
        Place after = await TestSilosExtensions.InsistAsync(async () =>
        {
            Place place = await b.Grains.GetGrain<INamedGrain>("a/grain").WhereAsync();
            return place.Generation > before.Generation ? place : throw new SiloUnavailableException("still the old one");
        }).Soon();

        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(3));
        SiloIncarnation second = a.Incarnation!;
        Assert.True(first.Ended.IsCancellationRequested);
        Assert.Equal((1, 2), (first.Number, second.Number));
        Assert.Equal(first.Address.Endpoint, second.Address.Endpoint);
        Assert.Equal((silo, client), (a.SiloEndPoint, a.ClientEndPoint));
        Assert.Equal(("a", second.Address.Generation), (after.Silo, after.Generation));
        Assert.NotEqual(before.Activation, after.Activation);
        await Assert.ThrowsAsync<SiloUnavailableException>(() => first.Grains.GetGrain<INamedGrain>("b/grain").WhereAsync()).Soon();
    }

    [Fact]
    public async Task Evicted_ItsViewStaysBetweenTheIncarnations()
    {
        await using var cluster = new TestSilos();
        OrleansSilo[] silos = await cluster.StartAsync(("a", "worker"), ("b", "gateway"));
        (OrleansSilo a, OrleansSilo b) = (silos[0], silos[1]);
        SiloAddress old = a.Incarnation!.Address;
        List<ClusterView> views = [a.View];
        using var stop = new CancellationTokenSource();
        Task watch = WatchAsync();

        await b.Membership.TryKill(old);
        await a.WaitForIncarnationAsync(1, Patience.Token).Soon();
        await Patience.UntilAsync(() => a.View.Find("a") is { Status: SiloStatus.Active } self && !self.Address.Equals(old), () => $"{a.View}");
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watch);

        Assert.All(views, view =>
        {
            Assert.Equal(["a", "b"], view.Silos.Select(silo => silo.Name));
            Assert.Equal(("gateway", "1.2.3"), (view.Find("b")!.Role, view.Find("b")!.Version));
        });
        Assert.Equal(views.Select(view => view.Version).Order().Distinct(), views.Select(view => view.Version));

        async Task WatchAsync()
        {
            while (true) views.Add(await a.WaitForChangeAsync(views[^1].Version, stop.Token));
        }
    }

    [Fact]
    public async Task BetweenIncarnations_GrainsAreUnavailable()
    {
        await using var cluster = new TestSilos();
        OrleansSilo a = cluster.Create("a", change: settings => settings with { WaitForStore = cancel => Task.Delay(-1, cancel) });

        await a.StartAsync(Patience.Token);

        Assert.Null(a.Incarnation);
        Assert.Throws<SiloUnavailableException>(() => a.Grains);
        Assert.Throws<SiloUnavailableException>(() => a.Membership);
        Assert.Empty(a.View.Silos);
    }

    [Fact]
    public async Task Start_StoreIsAway_ReturnsAtOnceAndJoinsWhenItIsBack()
    {
        await using var cluster = new TestSilos();
        cluster.Table.Away = true;
        OrleansSilo a = cluster.Create("a");

        await a.StartAsync(Patience.Token).WaitAsync(TimeSpan.FromSeconds(1), Patience.Token);
        await Task.Delay(TimeSpan.FromSeconds(1.5), Patience.Token);
        Assert.Null(a.Incarnation);
        cluster.Table.Away = false;
        SiloIncarnation active = await a.WaitForIncarnationAsync(0, Patience.Token).WaitAsync(TimeSpan.FromSeconds(5), Patience.Token);

        Assert.Equal(1, active.Number);
        Assert.Equal(active.Address, Assert.Single(cluster.Table.Rows).SiloAddress);
    }

    [Fact]
    public async Task Start_FailsTwice_TriesAgainAndLeavesNothingRunning()
    {
        await using var cluster = new TestSilos();
        cluster.Table.FailingStarts = 2;

        long start = Stopwatch.GetTimestamp();
        OrleansSilo a = await cluster.StartAsync("a");

        // Two pauses of a second, and none of the limits of a silo's end.
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(5));
        Assert.Equal(1, a.Incarnation!.Number);
        Assert.Equal(
            a.Incarnation.Address, Assert.Single(cluster.Table.Rows, row => row.Status != SiloStatus.Dead).SiloAddress);
        Assert.Equal("a", (await a.Grains.GetGrain<INamedGrain>("a/grain").WhereAsync()).Silo);
    }

    [Fact]
    public async Task Start_ConfigurationCannotWork_Fails()
    {
        await using var cluster = new TestSilos();
        OrleansSilo a = cluster.Create("a", change: settings => settings with { Configure = _ => { } });

        await a.StartAsync(Patience.Token);

        await Assert.ThrowsAsync<OrleansConfigurationException>(() => a.ExecuteTask!).Soon();
    }

    [Fact]
    public async Task Start_PortIsTaken_Fails()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;
        await using var cluster = new TestSilos();
        OrleansSilo a = cluster.Create("a", change: settings => settings with { SiloPort = port });

        IOException e = await Assert.ThrowsAsync<IOException>(() => a.StartAsync(Patience.Token));

        Assert.Contains($"127.0.0.1:{port}", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_NoKeyAndNotLoopback_Fails()
    {
        await using var cluster = new TestSilos { SharedKey = [] };
        OrleansSilo a = cluster.Create("a", change: settings => settings with { ListenAddress = IPAddress.Any });

        IOException e = await Assert.ThrowsAsync<IOException>(() => a.StartAsync(Patience.Token));

        Assert.Contains("cluster key", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stop_PeersSeeItShutDownAndNobodyDeclaresItDead()
    {
        await using var cluster = new TestSilos();
        OrleansSilo[] silos = await cluster.StartAsync(("a", "worker"), ("b", "worker"));
        (OrleansSilo a, OrleansSilo b) = (silos[0], silos[1]);
        SiloAddress address = a.Incarnation!.Address;
        List<SiloStatus?> seen = [];
        Task watch = WatchAsync();

        long start = Stopwatch.GetTimestamp();
        await a.StopAsync(Patience.Token);
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(4));
        await watch.Soon();

        Assert.Contains(SiloStatus.ShuttingDown, seen);
        MembershipEntry row = Assert.Single(cluster.Table.Rows, row => row.SiloAddress.Equals(address));
        Assert.Equal(SiloStatus.Dead, row.Status);
        Assert.All(row.SuspectTimes!, suspect => Assert.Equal(address, suspect.Item1));
        Assert.Throws<SiloUnavailableException>(() => a.Grains);

        async Task WatchAsync()
        {
            for (ClusterView view = b.View; view.Find("a") is not null;)
            {
                view = await b.WaitForChangeAsync(view.Version, Patience.Token);
                seen.Add(view.Find("a")?.Status);
            }
        }
    }
}
