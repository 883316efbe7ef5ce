using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>How AppHost and its processes end, and what it does about one that dies.</summary>
[Collection(TimedTests.Name)]
public sealed class AppHostLifeTests
{
    private static readonly TimeSpan RestartDeadline = TimeSpan.FromSeconds(60);

    public AppHostLifeTests() => Assert.SkipUnless(ProcessTable.IsThere, "needs signals and /proc");

    /// <summary>A terminal sends its Ctrl-C to the whole group of processes, a service manager its signal to AppHost alone.</summary>
    [Theory]
    [InlineData("INT", true)]
    [InlineData("TERM", false)]
    public async Task Signal_AskedToStop_ServicesEndWithinTwoSecondsAndAllWithinTen(string signal, bool wholeGroup)
    {
        using RunningAppHost appHost = await RunningAppHost.StartAsync();
        IReadOnlyList<int> all = await ProcessesAsync(appHost);
        int[] services = [.. all.Where(id => ProcessTable.Runs(id, "Llama.Gateway") || ProcessTable.Runs(id, "Llama.Silo"))];
        Assert.Equal(3, services.Length);

        ProcessTable.Signal(wholeGroup ? -appHost.Id : appHost.Id, signal);
        await AssertAllEndAsync(appHost, services, TimeSpan.FromSeconds(2));
        await AssertAllEndAsync(appHost, all, TimeSpan.FromSeconds(8));

        Assert.Equal(0, await appHost.ExitsAsync(TimeSpan.FromSeconds(1)));
        Assert.EndsWith("apphost | Stopping.\n", appHost.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kill_AppHostItself_ItsProcessesEndToo()
    {
        using RunningAppHost appHost = await RunningAppHost.StartAsync();
        IReadOnlyList<int> processes = await ProcessesAsync(appHost);

        ProcessTable.Signal(appHost.Id, "KILL");
        await AssertAllEndAsync(appHost, processes, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Kill_SiloInTheMiddleOfStreams_TheyGoOnWithTheSameTokens()
    {
        using RunningAppHost appHost = await RunningAppHost.StartAsync();
        GatewayClient client = appHost.Client;
        TokenRequest[] requests =
        [
            .. from golden in GoldenTokens.Read(Path.Combine(TestPaths.TinyStories, "golden.json"))
               from seed in Enumerable.Range(0, 4)
               select new TokenRequest { Prompt = golden.Prompt, MaxTokens = 240, Temperature = seed == 0 ? 0 : 1, Seed = seed },
        ];
        var undisturbed = new Streams(client, requests);
        await undisturbed.EndedAsync();
        ulong epoch = (await client.StatusAsync()).Epoch;
        int victim = (await client.StagesAsync())[1].ProcessId;

        var streams = new Streams(client, requests);
        await Wait.UntilAsync(
            "every stream has begun", TimeSpan.FromSeconds(30), () => streams.Tokens.All(t => t.Count > 4), () => appHost.Output);
        ProcessTable.Signal(victim, "KILL");
        Assert.Contains(streams.Tokens, tokens => tokens.Count < 200);
        await streams.EndedAsync();

        Assert.Equal(undisturbed.Tokens, streams.Tokens);
        await appHost.SaysAsync("ready again", RestartDeadline);
        IReadOnlyList<StageStatus> stages = await client.StagesAsync();
        Assert.True((await client.StatusAsync()).Epoch > epoch);
        Assert.Equal(["silo-1", "silo-2"], stages.Select(stage => stage.Silo));
        Assert.NotEqual(victim, stages[1].ProcessId);
        Assert.True(ProcessTable.IsAlive(stages[1].ProcessId));
        Assert.Matches(@"silo-2 died after \d+\.\d s: a signal ended it\. Its last lines:\n", appHost.Output);
        Assert.Contains("silo-2  | info: Llama.Silo[2] silo-2 computes with", appHost.Output);
        Assert.Contains("silo-2 starts again in 1 s.", appHost.Output);
        TestContext.Current.TestOutputHelper?.WriteLine($"Longest time without a token: {streams.LongestSilence.TotalSeconds:0.0} s");
    }

    [Fact]
    public async Task Kill_Gateway_ItComesBackAndTheSilosJoinIt()
    {
        using RunningAppHost appHost = await RunningAppHost.StartAsync();
        IReadOnlyList<int> silos = [.. (await appHost.Client.StagesAsync()).Select(stage => stage.ProcessId)];
        int gateway = Assert.Single(ProcessTable.OfAppHost(appHost.Id), id => ProcessTable.Runs(id, "Llama.Gateway"));

        ProcessTable.Signal(gateway, "KILL");
        await appHost.SaysAsync("ready again", RestartDeadline);

        Assert.Contains("gateway died after", appHost.Output);
        Assert.Equal(silos, (await appHost.Client.StagesAsync()).Select(stage => stage.ProcessId));
        GoldenTokens golden = GoldenTokens.Read(Path.Combine(TestPaths.TinyStories, "golden.json"))[0];
        Assert.Equal(golden.Greedy, await appHost.Client.CompleteAsync(golden.Request));
    }

    /// <summary>The ids of all processes of a cluster: AppHost, the orchestrator and the dashboard, the gateway and its two silos.</summary>
    private static async Task<IReadOnlyList<int>> ProcessesAsync(RunningAppHost appHost)
    {
        IReadOnlyList<int> processes = ProcessTable.OfAppHost(appHost.Id);
        Assert.All(await appHost.Client.StagesAsync(), stage => Assert.Contains(stage.ProcessId, processes));
        Assert.Contains(processes, id => ProcessTable.Runs(id, "Aspire.Dashboard"));
        return processes;
    }

    private static async Task AssertAllEndAsync(RunningAppHost appHost, IReadOnlyList<int> processes, TimeSpan deadline)
    {
        TimeSpan took = await Wait.UntilAsync(
            "no process is left", deadline, () => !processes.Any(ProcessTable.IsAlive), () => appHost.Output);
        TestContext.Current.TestOutputHelper?.WriteLine($"All processes ended within {took.TotalSeconds:0.00} s");
    }
}
