using System.Net;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>
/// Silos are emptied, restarted and added while there are streams: none fails, and each has the tokens that it has undisturbed.
/// </summary>
[Collection(TimedTests.Name)]
public sealed class MaintenanceTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    public MaintenanceTests() => Assert.SkipUnless(ProcessTable.IsThere, "needs signals and /proc");

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Restart_AllSilosOneAfterTheOtherUnderLoad_NoRequestFails()
    {
        using TestCluster cluster = await TestCluster.StartAsync(TestPaths.TinyStories, 3);
        var silos = new Dictionary<int, RunningProgram>();
        foreach (StageStatus stage in await cluster.Client.StagesAsync())
            silos[Number(stage.Silo)] = cluster.Programs.Single(program => program.Id == stage.ProcessId);
        silos[4] = cluster.StartSilo(4);
        await StandsByAsync(cluster, 4);
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();

        using var load = new Load(cluster.Client, requests);
        foreach (int number in new[] { 1, 2, 3, 4 })
        {
            int before = await load.BegunAsync(cluster);
            await ChangeAsync(cluster.Client, HttpMethod.Post, $"/cluster/drain/silo-{number}");
            Assert.DoesNotContain($"silo-{number}", (await cluster.Client.StagesAsync()).Select(stage => stage.Silo));
            ProcessTable.Signal(silos[number].Id, "TERM");
            Assert.Equal(0, await silos[number].ExitsAsync(Deadline));
            silos[number] = cluster.StartSilo(number);
            await StandsByAsync(cluster, number);
            await load.WaitAsync(before, cluster);
        }

        IReadOnlyList<IReadOnlyList<int>[]> rounds = await load.EndAsync();
        Assert.All(rounds, tokens => Assert.Equal(undisturbed.Tokens, tokens));
        Assert.DoesNotContain("lost:", cluster.Output, StringComparison.Ordinal);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{rounds.Count} rounds of {requests.Length} streams; longest time without a token: {load.LongestSilence.TotalSeconds:0.00} s");
        Assert.InRange(load.LongestSilence.TotalSeconds, 0, 8);
    }

    [Fact]
    public async Task Rebalance_SiloThatCameLater_TakesLayersOverUnderLoad()
    {
        using TestCluster cluster = await TestCluster.StartAsync(TestPaths.TinyStories, 2);
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();
        cluster.StartSilo(3);
        await StandsByAsync(cluster, 3);

        var streams = new Streams(cluster.Client, requests);
        await Wait.UntilAsync("the streams have begun", Deadline, () => streams.Tokens.All(t => t.Count > 20), () => cluster.Output);
        string plan = await ChangeAsync(cluster.Client, HttpMethod.Post, "/cluster/rebalance");
        Assert.Contains("\"silo\":\"silo-3\"", plan, StringComparison.Ordinal);

        // It takes the place where the others keep most of their layers.
        Assert.Equal(["silo-1", "silo-3", "silo-2"], (await cluster.Client.StagesAsync()).Select(stage => stage.Silo));
        await streams.EndedAsync();
        Assert.Equal(undisturbed.Tokens, streams.Tokens);
        Assert.InRange(cluster.RecomputedPart(sequences: 8, firstLayer: 0, endLayer: 4, layers: 6), 2.0 / 3, 0.85);
    }

    [Fact]
    public async Task Drain_NobodyForItsPlace_TheOthersTakeItsLayersAndOnlyTheseAreComputedAgain()
    {
        using TestCluster cluster = await TestCluster.StartAsync(TestPaths.TinyStories, 3, "--kv-memory=8MiB");
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(cluster.Client, requests);
        await undisturbed.EndedAsync();

        string middle = (await cluster.Client.StagesAsync())[1].Silo;
        var streams = new Streams(cluster.Client, requests);
        await Wait.UntilAsync("the streams have begun", Deadline, () => streams.Tokens.All(t => t.Count > 60), () => cluster.Output);
        await ChangeAsync(cluster.Client, HttpMethod.Post, $"/cluster/drain/{middle}");
        Assert.Contains(streams.Tokens, tokens => tokens.Count < 200);
        await streams.EndedAsync();
        Assert.Equal(undisturbed.Tokens, streams.Tokens);
        Assert.Equal([(0, 3), (3, 6)], (await cluster.Client.StagesAsync()).Select(stage => (stage.Layers[0], stage.Layers[1])));
        Assert.InRange(cluster.RecomputedPart(sequences: 8, firstLayer: 2, endLayer: 4, layers: 6), 1.0 / 3, 0.6);
        Assert.DoesNotContain("lost:", cluster.Output, StringComparison.Ordinal);
    }

    private static int Number(string silo) => int.Parse(silo.Split('-')[1], System.Globalization.CultureInfo.InvariantCulture);

    private static Task<TimeSpan> StandsByAsync(TestCluster cluster, int number) => Wait.UntilAsync(
        $"silo-{number} stands by", Deadline,
        async () => (await cluster.Client.StatusAsync()).Standby.Contains($"silo-{number}"), () => cluster.Output);

    private static async Task<string> ChangeAsync(GatewayClient client, HttpMethod method, string path)
    {
        using var request = new HttpRequestMessage(method, path);
        using HttpResponseMessage response = await client.Http.SendAsync(request, TestEnds);
        string body = await response.Content.ReadAsStringAsync(TestEnds);
        Assert.True(response.StatusCode == HttpStatusCode.OK, body);
        return body;
    }

    /// <summary>The same streams again and again.</summary>
    private sealed class Load : IDisposable
    {
        private readonly CancellationTokenSource enough = new();
        private readonly List<Streams> rounds = [];
        private readonly Task running;

        public Load(GatewayClient client, TokenRequest[] requests) => running = RunAsync(client, requests);

        public TimeSpan LongestSilence => rounds.Max(round => round.LongestSilence);

        /// <summary>Waits until a round is in its midst.</summary>
        /// <returns>Its number.</returns>
        public async Task<int> BegunAsync(TestCluster cluster)
        {
            await Wait.UntilAsync(
                "streams are in their midst", Deadline,
                () => Fails() || Last().Tokens.All(t => t.Count is > 10 and < 150), () => cluster.Output);
            return rounds.Count;
        }

        /// <summary>Waits until the round of a number is over.</summary>
        public Task<TimeSpan> WaitAsync(int round, TestCluster cluster) => Wait.UntilAsync(
            "the streams went on", Deadline, () => Fails() || rounds.Count > round, () => cluster.Output);

        public async Task<IReadOnlyList<IReadOnlyList<int>[]>> EndAsync()
        {
            await enough.CancelAsync();
            await running;
            return [.. rounds.Select(round => round.Tokens)];
        }

        public void Dispose() => enough.Dispose();

        private Streams Last()
        {
            lock (rounds) return rounds[^1];
        }

        /// <summary>What failed is thrown.</summary>
        private bool Fails()
        {
            if (running.IsFaulted) running.GetAwaiter().GetResult();
            return false;
        }

        private async Task RunAsync(GatewayClient client, TokenRequest[] requests)
        {
            while (!enough.IsCancellationRequested)
            {
                var streams = new Streams(client, requests);
                lock (rounds) rounds.Add(streams);
                await streams.EndedAsync();
            }
        }
    }
}
