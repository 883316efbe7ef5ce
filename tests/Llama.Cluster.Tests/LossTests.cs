using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>A stage is lost in the middle of streams, and another silo stands by: every stream goes on with the same tokens.</summary>
[Collection(TimedTests.Name)]
public sealed class LossTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    public LossTests() => Assert.SkipUnless(ProcessTable.IsThere, "needs signals and /proc");

    [Fact]
    public async Task Stop_SiloInTheMiddleOfStreams_TheSpareTakesOverAndTheStoppedOneComesBackAsOne()
    {
        using TestCluster cluster = await StartAsync();
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();

        StageStatus victim = (await cluster.Client.StagesAsync())[1];
        Streams streams = await Streams.BegunAsync(cluster, requests, tokens: 60);
        ProcessTable.Signal(victim.ProcessId, "STOP");
        await streams.EndedAsync();
        Assert.Equal(undisturbed.Tokens, streams.Tokens);

        Assert.Contains($"lost: {victim.Silo} has given no heartbeat for 3 s", cluster.Output, StringComparison.Ordinal);
        Assert.InRange(streams.LongestSilence.TotalSeconds, 2.5, 8);
        TestContext.Current.TestOutputHelper?.WriteLine($"Longest time without a token: {streams.LongestSilence.TotalSeconds:0.0} s");
        Assert.Equal(["silo-1", "silo-3", "silo-4"], (await cluster.Client.StagesAsync()).Select(stage => stage.Silo).Order());

        // It wakes in the middle of other streams, with steps and links of an epoch that is over.
        var others = new Streams(cluster.Client, requests);
        ProcessTable.Signal(victim.ProcessId, "CONT");
        await others.EndedAsync();
        Assert.Equal(undisturbed.Tokens, others.Tokens);
        await Wait.UntilAsync(
            "the stopped silo stands by",
            Deadline,
            async () => (await cluster.Client.StatusAsync()).Standby.Contains(victim.Silo),
            () => cluster.Output);
        Assert.True(ProcessTable.IsAlive(victim.ProcessId));
    }

    [Fact]
    public async Task Kill_SiloInTheMiddleOfStreams_TheSpareTakesOverAndOnlyItComputesAgain()
    {
        using TemporaryFolder model = TemporaryFolder.CopyOf(TestPaths.TinyStories);
        model.Write("chat_template.jinja", RequiredCall.Template);
        using TestCluster cluster = await StartAsync(model.Path);
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();
        RequiredCall undisturbedCall = await RequiredCall.BegunAsync(cluster);
        await undisturbedCall.EndedAsync();
        Assert.Matches("""^f \{\s*"x":\s*".{150,}"\s*\} tool_calls$""", undisturbedCall.Text);

        // One sequence more follows a grammar: its state comes of its tokens.
        StageStatus victim = (await cluster.Client.StagesAsync())[1];
        Streams streams = await Streams.BegunAsync(cluster, requests, tokens: 20);
        RequiredCall call = await RequiredCall.BegunAsync(cluster);
        ProcessTable.Signal(victim.ProcessId, "KILL");
        Assert.DoesNotContain("tool_calls", call.Text, StringComparison.Ordinal);
        Assert.Contains(streams.Tokens, tokens => tokens.Count < 200);
        await streams.EndedAsync();
        await call.EndedAsync();
        Assert.Equal(undisturbed.Tokens, streams.Tokens);
        Assert.Equal(undisturbedCall.Text, call.Text);
        TestContext.Current.TestOutputHelper?.WriteLine($"Longest time without a token: {streams.LongestSilence.TotalSeconds:0.00} s");
        Assert.Matches(
            $@"9 sequences go on \d+\.\d\d s after the loss; \d+ positions were computed again in layers {victim.Layers[0]} to"
            + $@" {victim.Layers[1]} only, \d+ in all layers",
            cluster.Output);
        Assert.Equal(["silo-1", "silo-4", "silo-3"], (await cluster.Client.StagesAsync()).Select(stage => stage.Silo));
    }

    [Fact]
    public async Task Kill_SiloInTheMiddleOfStreamsAndNobodyForItsPlace_TheOthersTakeItsLayersAndOnlyTheseAreComputedAgain()
    {
        // Pools of 512 blocks with two layers each, and of 341 with three. The wait is for silos that start on a busy machine.
        using TestCluster cluster = await TestCluster.StartAsync(TestPaths.TinyStories, 3, "--silo-wait=00:00:06", "--kv-memory=8MiB");
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();

        StageStatus victim = (await cluster.Client.StagesAsync())[1];
        Assert.Equal([2, 4], victim.Layers);
        Streams streams = await Streams.BegunAsync(cluster, requests, tokens: 60);
        ProcessTable.Signal(victim.ProcessId, "KILL");
        Assert.Contains(streams.Tokens, tokens => tokens.Count < 200);
        await streams.EndedAsync();
        Assert.Equal(undisturbed.Tokens, streams.Tokens);
        Assert.Equal([(0, 3), (3, 6)], (await cluster.Client.StagesAsync()).Select(stage => (stage.Layers[0], stage.Layers[1])));
        double part = cluster.RecomputedPart(sequences: 8, firstLayer: 2, endLayer: 4, layers: 6);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{part:P0} of all was computed again; longest time without a token: {streams.LongestSilence.TotalSeconds:0.00} s");
        Assert.InRange(part, 1.0 / 3, 0.6);
    }

    [Fact]
    public async Task Stop_GatewayForAWhile_BlamesNobodyAndGoesOn()
    {
        using TestCluster cluster = await StartAsync();
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();

        Streams streams = await Streams.BegunAsync(cluster, requests);
        ProcessTable.Signal(cluster.Gateway.Id, "STOP");
        await Task.Delay(TimeSpan.FromSeconds(4.5), TestContext.Current.CancellationToken);
        ProcessTable.Signal(cluster.Gateway.Id, "CONT");
        await streams.EndedAsync();
        Assert.Equal(undisturbed.Tokens, streams.Tokens);
        Assert.DoesNotContain("lost:", cluster.Output, StringComparison.Ordinal);
        Assert.Equal(1ul, (await cluster.Client.StatusAsync()).Epoch);
    }

    /// <summary>Three silos that compute, and a fourth that stands by.</summary>
    private static async Task<TestCluster> StartAsync(string? model = null)
    {
        TestCluster cluster = await TestCluster.StartAsync(model ?? TestPaths.TinyStories, 3);
        cluster.StartSilo(4);
        await Wait.UntilAsync(
            "a silo stands by",
            Deadline,
            async () => (await cluster.Client.StatusAsync()).Standby.Contains("silo-4"),
            () => cluster.Output);
        return cluster;
    }
}
