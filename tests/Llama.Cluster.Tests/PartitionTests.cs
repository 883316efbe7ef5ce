using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;
using Llama.Grains.Hosting;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>A network that falls apart: what is sent is lost, and nobody is told that a connection has ended.</summary>
[Collection(TimedTests.Name)]
public sealed class PartitionTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Cut_SiloFromEverythingInTheMiddleOfStreams_TheSpareTakesOverAndTheOtherComesBackAsOne()
    {
        using var folder = new TemporaryFolder();
        using SplitNetwork network = SplitNetwork.Create();
        using var cluster = new TestCluster(TestPaths.TinyStories, 3)
        {
            Around = command => command.Name == "silo-2" ? network.Far(command) : network.Near(command),
            Connect = network.ConnectAsync,
        };
        await File.WriteAllTextAsync(folder["key"], "the key of this cluster", TestContext.Current.CancellationToken);
        string key = $"--cluster-key-file={folder["key"]}";
        cluster.StartGateway($"--host={SplitNetwork.NearAddress}", "--cluster=memory", key);
        StartSilo(1);
        RunningProgram cut = StartSilo(2, SplitNetwork.FarAddress);
        StartSilo(3);
        await cluster.ReadyAsync();
        RunningProgram spare = StartSilo(4);
        await StandsByAsync("silo-4");
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();

        Streams streams = await Streams.BegunAsync(cluster, requests);
        network.Cut();
        Assert.Contains(streams.Tokens, tokens => tokens.Count < 200);
        await streams.EndedAsync();
        Assert.Equal(undisturbed.Tokens, streams.Tokens);
        Assert.Contains("epoch 1: lost: silo-2 has given no heartbeat for 3 s", cluster.Output, StringComparison.Ordinal);
        Assert.InRange(streams.LongestSilence.TotalSeconds, 2.5, 8);
        TestContext.Current.TestOutputHelper?.WriteLine($"Longest time without a token: {streams.LongestSilence.TotalSeconds:0.0} s");
        ClusterStatus status = await cluster.Client.StatusAsync();
        Assert.Equal(["silo-1", "silo-4", "silo-3"], status.Pipelines[0].Stages.Select(stage => stage.Silo));
        Assert.DoesNotContain("silo-2", status.Standby);

        // The same process, which nobody has started again, takes the next empty place.
        network.Mend();
        TimeSpan took = await StandsByAsync("silo-2");
        TestContext.Current.TestOutputHelper?.WriteLine($"Stands by {took.TotalSeconds:0.0} s after the network was whole again");
        streams = await Streams.BegunAsync(cluster, requests);
        ProcessTable.Signal(spare.Id, "KILL");
        await streams.EndedAsync();
        Assert.Equal(undisturbed.Tokens, streams.Tokens);
        StageStatus stage = (await cluster.Client.StagesAsync())[1];
        Assert.Equal(("silo-2", cut.Id), (stage.Silo, stage.ProcessId));

        RunningProgram StartSilo(int number, string address = SplitNetwork.NearAddress) => cluster.StartThroughGateway(
            number, $"http://{SplitNetwork.NearAddress}:{cluster.Client.Http.BaseAddress!.Port}", $"--listen={address}:0", key);

        Task<TimeSpan> StandsByAsync(string silo) => Wait.UntilAsync(
            $"{silo} stands by", Deadline, async () => (await cluster.Client.StatusAsync()).Standby.Contains(silo), () => cluster.Output);
    }

    [Fact]
    public async Task Cut_PortsOfOrleansAlone_StreamsAndEpochGoOnAndTheSiloIsAMemberAgain()
    {
        int[] ports = [.. Enumerable.Range(0, 3).Select(_ => FreePort.Choose())];
        using var folder = new TemporaryFolder();
        using SplitNetwork network = SplitNetwork.Create();
        using var cluster = new TestCluster(TestPaths.TinyStories, 2)
        {
            Around = command => command.Name == "silo-2" ? network.Far(command) : network.Near(command),
            Connect = network.ConnectAsync,
        };
        await File.WriteAllTextAsync(folder["key"], "the key of this cluster", TestContext.Current.CancellationToken);
        string key = $"--cluster-key-file={folder["key"]}";
        cluster.StartGateway($"--host={SplitNetwork.NearAddress}", $"--cluster-port={ports[0]}", key);
        cluster.StartSilo(1, $"--listen={SplitNetwork.NearAddress}:0", $"--cluster-port={ports[1]}", key);
        RunningProgram cut = cluster.StartSilo(2, $"--listen={SplitNetwork.FarAddress}:0", $"--cluster-port={ports[2]}", key);
        await cluster.ReadyAsync();
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();
        ClusterStatus before = await cluster.Client.StatusAsync();

        // What it says is the only place where its membership shows: its layers stay as they are.
        network.CutPorts(ports);
        Task again = ComeBackAsync();
        do
        {
            Streams streams = await Streams.BegunAsync(cluster, requests);
            await streams.EndedAsync();
            Assert.Equal(undisturbed.Tokens, streams.Tokens);
            Assert.InRange(streams.LongestSilence.TotalSeconds, 0, 2);
        }
        while (!again.IsCompleted);
        await again;
        ClusterStatus after = await cluster.Client.StatusAsync();
        Assert.Equal(before.Epoch, after.Epoch);
        Assert.Equal(cut.Id, after.Pipelines[0].Stages[1].ProcessId);

        async Task ComeBackAsync()
        {
            await cut.SaysAsync("OrleansSilo[2] ", Deadline);
            network.MendPorts(ports);
            await cut.SaysAsync("incarnation 2, ", Deadline);
        }
    }
}
