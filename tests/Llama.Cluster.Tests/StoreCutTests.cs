using System.Net;
using Llama.Bench.Chaos;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>
/// Silos are cut off from the store of the membership alone: nobody is taken for dead, silos with layers compute, those that were drained stay
/// so, and a later loss is repaired.
/// </summary>
[Collection(TimedTests.Name)]
public sealed class StoreCutTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    public StoreCutTests() => Assert.SkipUnless(ProcessTable.IsThere, "needs signals and /proc");

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Cut_SilosFromEtcd_NothingChangesAndALossIsRepaired()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        await using var proxy = new ChaosProxy(etcd.Port);
        using var cluster = new TestCluster(TestPaths.TinyStories, 2, etcd.Address());
        cluster.StartGateway();
        cluster.StartSilo(1);
        RunningProgram cut = cluster.StartSilo(2, $"--cluster=etcd://{proxy.Address}/llama");
        await cluster.ReadyAsync();
        cluster.StartSilo(3, $"--cluster=etcd://{proxy.Address}/llama");
        await StandbyAsync(cluster, "silo-3");
        await ChangeAsync(cluster, HttpMethod.Post, "/cluster/drain/silo-3");

        await CutAsync(cluster, proxy);
        Assert.Equal(["silo-3"], (await cluster.Client.StatusAsync()).Drained);
        Assert.Empty((await cluster.Client.StatusAsync()).Standby);
        await ChangeAsync(cluster, HttpMethod.Delete, "/cluster/drain/silo-3");
        await StandbyAsync(cluster, "silo-3");
        await LoseAsync(cluster, cut, "silo-3");
    }

    [Fact]
    public async Task Cut_SilosFromTheGatewaysDocument_NothingChangesAndALossIsRepaired()
    {
        using var cluster = new TestCluster(TestPaths.TinyStories, 2);
        await using var proxy = new ChaosProxy(cluster.Client.Http.BaseAddress!.Port);
        cluster.StartGateway("--cluster=memory");
        cluster.StartThroughGateway(1);
        RunningProgram cut = cluster.StartThroughGateway(2, $"http://{proxy.Address}");
        await cluster.ReadyAsync();
        cluster.StartThroughGateway(3);
        await StandbyAsync(cluster, "silo-3");

        await CutAsync(cluster, proxy);
        Assert.Equal(["silo-3"], (await cluster.Client.StatusAsync()).Standby);
        await LoseAsync(cluster, cut, "silo-3");
    }

    /// <summary>Cuts silos off for longer than a silo may be silent, while there are streams all the time.</summary>
    private static async Task CutAsync(TestCluster cluster, ChaosProxy proxy)
    {
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();
        ClusterStatus before = await cluster.Client.StatusAsync();

        Streams streams = await Streams.BegunAsync(cluster, requests);
        proxy.Cut();
        long since = Environment.TickCount64;
        do streams = await NextAsync();
        while (Environment.TickCount64 - since < 8000);

        proxy.Mend();
        await streams.EndedAsync();
        Assert.Equal(undisturbed.Tokens, streams.Tokens);
        ClusterStatus after = await cluster.Client.StatusAsync();
        Assert.Equal(before.Epoch, after.Epoch);
        Assert.Equal(["silo-1", "silo-2"], after.Pipelines[0].Stages.Select(stage => stage.Silo));
        Assert.DoesNotContain("lost:", cluster.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("go on", cluster.Output, StringComparison.Ordinal);

        async Task<Streams> NextAsync()
        {
            await streams.EndedAsync();
            Assert.Equal(undisturbed.Tokens, streams.Tokens);
            return new Streams(cluster.Client, requests);
        }
    }

    /// <summary>Kills a silo in the midst of streams: the one that stands by takes its place.</summary>
    private static async Task LoseAsync(TestCluster cluster, RunningProgram silo, string standby)
    {
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();
        Streams streams = await Streams.BegunAsync(cluster, requests);
        ProcessTable.Signal(silo.Id, "KILL");
        await streams.EndedAsync();
        Assert.Equal(undisturbed.Tokens, streams.Tokens);
        Assert.Equal(["silo-1", standby], (await cluster.Client.StagesAsync()).Select(stage => stage.Silo));
    }

    private static async Task ChangeAsync(TestCluster cluster, HttpMethod method, string path)
    {
        using var request = new HttpRequestMessage(method, path);
        using HttpResponseMessage response = await cluster.Client.Http.SendAsync(request, TestEnds);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    private static Task<TimeSpan> StandbyAsync(TestCluster cluster, params string[] silos) => Wait.UntilAsync(
        $"these stand by: {string.Join(", ", silos)}", Deadline,
        async () => (await cluster.Client.StatusAsync()).Standby.SequenceEqual(silos), () => cluster.Output);
}
