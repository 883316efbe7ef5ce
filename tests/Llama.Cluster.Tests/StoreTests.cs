using System.Net;
using System.Net.Http.Json;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;
using Llama.Grains.Hosting;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Clusters whose processes find each other in a real etcd, or in files.</summary>
[Collection(TimedTests.Name)]
public sealed class StoreTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private static readonly GoldenTokens Golden = GoldenTokens.Read(Path.Combine(TestPaths.TinyStories, "golden.json"))[0];

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Kill_Etcd_StreamsGoOnNewOnesAreAdmittedAndNoGhostStays()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        using var cluster = new TestCluster(TestPaths.TinyStories, 2, etcd.Address());
        cluster.StartGateway();
        cluster.StartSilo(1);
        cluster.StartSilo(2);
        await cluster.ReadyAsync();
        Assert.Equal(Golden.Greedy, await cluster.Client.CompleteAsync(Golden.Request));
        ClusterStatus before = await cluster.Client.StatusAsync();
        TokenRequest request = new() { Prompt = Golden.Prompt, MaxTokens = 240, Temperature = 1, Seed = 7 };
        IReadOnlyList<int> undisturbed = await cluster.Client.CompleteAsync(request);

        // In all this time there are streams, and each but the first begins when etcd is gone.
        IAsyncEnumerator<IReadOnlyList<int>> running = cluster.Client.StreamAsync(request, TestEnds)
            .GetAsyncEnumerator(TestEnds);
        Assert.True(await running.MoveNextAsync());
        List<int> tokens = [.. running.Current];
        etcd.Kill();
        while (await running.MoveNextAsync()) tokens.AddRange(running.Current);
        await running.DisposeAsync();
        Assert.Equal(undisturbed, tokens);
        long since = Environment.TickCount64;
        while (Environment.TickCount64 - since < 7000) Assert.Equal(undisturbed, await cluster.Client.CompleteAsync(request));

        await etcd.StartAsync();
        RunningProgram late = cluster.StartSilo(3);
        await StandbyAsync(cluster, "silo-3");
        ProcessTable.Signal(late.Id, "KILL");
        await StandbyAsync(cluster);
        Assert.Equal(undisturbed, await cluster.Client.CompleteAsync(request));
        ClusterStatus after = await cluster.Client.StatusAsync();
        Assert.Equal(before.Epoch, after.Epoch);
        Assert.Equal(before.Pipelines[0].Stages, after.Pipelines[0].Stages, (a, b) => a.ProcessId == b.ProcessId);
    }

    [Fact]
    public async Task Join_SilosThatDoNotBelong_AreRefusedByName()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        using var cluster = new TestCluster(TestPaths.TinyStories, 1, etcd.Address());
        RunningProgram gateway = cluster.StartGateway();
        RunningProgram stranger = cluster.StartStrangerSilo(1, Path.Combine(TestPaths.Fixtures, "llama-1", "meta"));
        cluster.StartSilo(2, "--context=100");
        await gateway.SaysAsync("Silo silo-1 is refused: ", Deadline);
        await gateway.SaysAsync("Silo silo-2 is refused: ", Deadline);
        await stranger.SaysAsync("has another model, or another --rope-factor: fingerprint ", Deadline);
        Assert.Contains("has another --context: 256 tokens; expected 100", gateway.Output, StringComparison.Ordinal);
        (int status, string body) = await cluster.Client.HealthAsync();
        Assert.Equal(503, status);
        Assert.Contains("Silo silo-1 is refused: ", body, StringComparison.Ordinal);

        RunningProgram belongs = cluster.StartSilo(3);
        await cluster.ReadyAsync();
        Assert.Equal("silo-3", Assert.Single(await cluster.Client.StagesAsync()).Silo);
        Assert.Equal(Golden.Greedy, await cluster.Client.CompleteAsync(Golden.Request));

        // One that stops in good order leaves the cluster: another of its name takes its place at once.
        ProcessTable.Signal(belongs.Id, "TERM");
        Assert.Equal(0, await belongs.ExitsAsync(Deadline));
        cluster.StartSilo(3);
        await cluster.ReadyAsync();

        // A silo that knows the gateway alone finds the others through it.
        cluster.StartThroughGateway(4);
        await StandbyAsync(cluster, "silo-4");
    }

    [Fact]
    public async Task Kill_GatewayThatOwnsThePipelines_AnotherServesWithinSeconds()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        using var cluster = new TestCluster(TestPaths.TinyStories, 2, etcd.Address());
        RunningProgram owner = cluster.StartGateway();
        cluster.StartSilo(1);
        cluster.StartSilo(2);
        await cluster.ReadyAsync();
        int port = FreePort.Choose();
        RunningProgram second = cluster.StartGateway($"--port={port}");
        using var other = new GatewayClient(port);
        await other.ReadyAsync(() => cluster.Output);
        // Whole answers, streams, faults and the cluster's state are the owner's.
        Assert.Equal(Golden.Greedy, await other.CompleteAsync(Golden.Request));
        Assert.Equal(Golden.Greedy, await CollectAsync(other, Golden.Request));
        ClusterStatus before = await other.StatusAsync();
        Assert.Equal((await cluster.Client.StatusAsync()).Epoch, before.Epoch);
        using (HttpResponseMessage fault = await other.Http.PostAsJsonAsync(
            "/v1/completions", Golden.Request with { MaxTokens = 0 }, TestEnds))
        {
            Assert.Equal(HttpStatusCode.BadRequest, fault.StatusCode);
            Assert.Contains("max_tokens", await fault.Content.ReadAsStringAsync(TestEnds), StringComparison.Ordinal);
        }

        // So are changes of the cluster.
        using (HttpResponseMessage drain = await other.Http.PostAsync(new Uri("/cluster/drain/silo-9", UriKind.Relative), null, TestEnds))
        {
            Assert.Equal(HttpStatusCode.NotFound, drain.StatusCode);
            Assert.Contains("there are: silo-1, silo-2.", await drain.Content.ReadAsStringAsync(TestEnds), StringComparison.Ordinal);
        }

        using (HttpResponseMessage same = await other.Http.PostAsync(new Uri("/cluster/rebalance", UriKind.Relative), null, TestEnds))
            Assert.Equal(HttpStatusCode.OK, same.StatusCode);

        // A client that goes away ends its sequence at the owner.
        TokenRequest longer = Golden.Request with { MaxTokens = 240 };
        await using (IAsyncEnumerator<IReadOnlyList<int>> stream = other.StreamAsync(longer, TestEnds).GetAsyncEnumerator(TestEnds))
            Assert.True(await stream.MoveNextAsync());
        await Wait.UntilAsync(
            "nothing runs", Deadline, async () => (await cluster.Client.StatusAsync()).Pipelines[0].Running == 0, () => cluster.Output);

        ProcessTable.Signal(owner.Id, "KILL");
        TimeSpan took = await Wait.UntilAsync(
            "the other owns the pipelines", Deadline,
            async () => await other.StatusAsync() is { Ready: true, Epoch: var now } && now > before.Epoch, () => cluster.Output);
        Assert.InRange(took, TimeSpan.Zero, TimeSpan.FromSeconds(15));
        TestContext.Current.TestOutputHelper?.WriteLine($"The other gateway served {took.TotalSeconds:0.0} s after the owner was killed");
        Assert.Equal(Golden.Greedy, await other.CompleteAsync(Golden.Request));
        ClusterStatus after = await other.StatusAsync();
        Assert.True(after.Epoch > before.Epoch);
        Assert.Equal(before.Pipelines[0].Stages, after.Pipelines[0].Stages, (a, b) => a.ProcessId == b.ProcessId);

        // The one that comes back does not take the pipelines.
        cluster.StartGateway();
        await cluster.ReadyAsync();
        Assert.Equal(Golden.Greedy, await cluster.Client.CompleteAsync(Golden.Request));
        Assert.Equal(after.Epoch, (await cluster.Client.StatusAsync()).Epoch);

        // An owner that stops in good order is succeeded before anybody had to notice its death.
        ProcessTable.Signal(second.Id, "TERM");
        Assert.Equal(0, await second.ExitsAsync(Deadline));
        Assert.InRange(await cluster.ReadyAsync(), TimeSpan.Zero, TimeSpan.FromSeconds(4));
        Assert.Equal(Golden.Greedy, await cluster.Client.CompleteAsync(Golden.Request));
    }

    [Fact]
    public async Task Drain_OwnerIsKilledAndAllGatewaysRestart_TheSiloStaysEmpty()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        using var cluster = new TestCluster(TestPaths.TinyStories, 2, etcd.Address());
        RunningProgram owner = cluster.StartGateway();
        cluster.StartSilo(1);
        cluster.StartSilo(2);
        await cluster.ReadyAsync();
        cluster.StartSilo(3);
        await StandbyAsync(cluster, "silo-3");
        int port = FreePort.Choose();
        RunningProgram second = cluster.StartGateway($"--port={port}");
        using var other = new GatewayClient(port);
        await other.ReadyAsync(() => cluster.Output);
        using (HttpResponseMessage drain = await other.Http.PostAsync(new Uri("/cluster/drain/silo-1", UriKind.Relative), null, TestEnds))
            Assert.Equal(HttpStatusCode.OK, drain.StatusCode);

        ulong epoch = (await other.StatusAsync()).Epoch;
        ProcessTable.Signal(owner.Id, "KILL");
        ClusterStatus status = null!;
        await Wait.UntilAsync(
            "the other owns the pipelines", Deadline,
            async () => (status = await other.StatusAsync()) is { Ready: true, Epoch: var now } && now > epoch, () => cluster.Output);
        Assert.Equal(["silo-1"], status.Drained);
        Assert.Equal(["silo-2", "silo-3"], status.Pipelines[0].Stages.Select(stage => stage.Silo).Order());

        ProcessTable.Signal(second.Id, "TERM");
        Assert.Equal(0, await second.ExitsAsync(Deadline));
        cluster.StartGateway();
        await cluster.ReadyAsync();
        status = await cluster.Client.StatusAsync();
        Assert.Equal(["silo-1"], status.Drained);
        Assert.Equal(Golden.Greedy, await cluster.Client.CompleteAsync(Golden.Request));
        using (HttpResponseMessage back = await cluster.Client.Http.DeleteAsync(new Uri("/cluster/drain/silo-1", UriKind.Relative), TestEnds))
            Assert.Equal(HttpStatusCode.OK, back.StatusCode);
        await StandbyAsync(cluster, "silo-1");
    }

    private static async Task<List<int>> CollectAsync(GatewayClient client, TokenRequest request)
    {
        List<int> tokens = [];
        await foreach (IReadOnlyList<int> part in client.StreamAsync(request, TestEnds)) tokens.AddRange(part);
        return tokens;
    }

    private static Task<TimeSpan> StandbyAsync(TestCluster cluster, params string[] silos) => Wait.UntilAsync(
        $"these stand by: {string.Join(", ", silos)}", Deadline,
        async () => (await cluster.Client.StatusAsync()).Standby.SequenceEqual(silos), () => cluster.Output);
}
