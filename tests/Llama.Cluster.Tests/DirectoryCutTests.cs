using System.Net;
using Llama.Bench.Chaos;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>
/// Silos are cut off from the directory alone, until they have vanished from it: whoever has layers keeps them and computes, whoever was
/// drained is so when it is back.
/// </summary>
public sealed class DirectoryCutTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    public DirectoryCutTests() => Assert.SkipUnless(ProcessTable.IsThere, "needs signals and /proc");

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Cut_SilosFromEtcdForLongerThanTheirLease_StreamsGoOnAndALaterLossIsRepaired()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        await using var proxy = new ChaosProxy(etcd.Port);
        using var cluster = new TestCluster(TestPaths.TinyStories, 2, etcd.Address());
        cluster.StartGateway();
        cluster.StartSilo(1);
        RunningProgram cut = cluster.StartSilo(2, $"--directory=etcd://{proxy.Address}/llama");
        await cluster.ReadyAsync();
        cluster.StartSilo(3, $"--directory=etcd://{proxy.Address}/llama");
        await StandbyAsync(cluster, "silo-3");
        await ChangeAsync(cluster, HttpMethod.Post, "/cluster/drain/silo-3");

        await CutAsync(cluster, proxy);
        await cut.SaysAsync("The lease of 'silos/silo-2' in the directory has ended; taking a new one", Deadline);
        await Wait.UntilAsync(
            "silo-3 is drained", Deadline, async () => (await cluster.Client.StatusAsync()).Drained.SequenceEqual(["silo-3"]),
            () => cluster.Output);
        Assert.Empty((await cluster.Client.StatusAsync()).Standby);
        await ChangeAsync(cluster, HttpMethod.Delete, "/cluster/drain/silo-3");
        await StandbyAsync(cluster, "silo-3");
        await LoseAsync(cluster, cut, "silo-3");
    }

    [Fact]
    public async Task Cut_SilosFromTheGatewaysPort_StreamsGoOnAndALaterLossIsRepaired()
    {
        using var cluster = new TestCluster(TestPaths.TinyStories, 2);
        await using var proxy = new ChaosProxy(cluster.Client.Http.BaseAddress!.Port);
        cluster.StartGateway();
        cluster.StartSilo(1);
        RunningProgram cut = cluster.StartSilo(2, $"--gateway=http://{proxy.Address}");
        await cluster.ReadyAsync();
        cluster.StartSilo(3);
        await StandbyAsync(cluster, "silo-3");

        await CutAsync(cluster, proxy);
        Assert.Equal(["silo-3"], (await cluster.Client.StatusAsync()).Standby);
        await LoseAsync(cluster, cut, "silo-3");
    }

    /// <summary>Cuts silo-2 off until the gateway has seen it vanish, while there are streams all the time.</summary>
    private static async Task CutAsync(TestCluster cluster, ChaosProxy proxy)
    {
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();
        ClusterStatus before = await cluster.Client.StatusAsync();

        Streams streams = await Streams.BegunAsync(cluster, requests);
        proxy.Cut();
        Task vanished = cluster.Gateway.SaysAsync("Silo silo-2 is not in the directory any more", Deadline);
        do streams = await NextAsync();
        while (!vanished.IsCompleted);
        await vanished;
        streams = await NextAsync();

        proxy.Mend();
        await streams.EndedAsync();
        Assert.Equal(undisturbed.Tokens, streams.Tokens);
        await cluster.Gateway.SaysAsync("Silo silo-2 is in the directory again", Deadline);
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
