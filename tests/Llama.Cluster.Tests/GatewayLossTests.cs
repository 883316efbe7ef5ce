using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Hosting;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>
/// The gateway is killed in the middle of an answer. A client that asks its successor with the same key gets all of it, and what a silo has a
/// record of is not sampled again.
/// </summary>
[Collection(TimedTests.Name)]
public sealed class GatewayLossTests
{
    private const string Key = "once";
    private const int Length = KeyedAnswer.Choices * KeyedAnswer.Length;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly IReadOnlyList<int> Prompt = GoldenTokens.Read(Path.Combine(TestPaths.TinyStories, "golden.json"))[0].Prompt;

    public GatewayLossTests() => Assert.SkipUnless(ProcessTable.IsThere, "needs signals and /proc");

    [Fact]
    public async Task Kill_GatewayWithEtcd_AnotherGoesOnWithItsAnswer()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        using var cluster = new TestCluster(TestPaths.TinyStories, 2, etcd.Address());
        cluster.StartGateway();
        cluster.StartSilo(1);
        cluster.StartSilo(2);
        await cluster.ReadyAsync();
        int port = FreePort.Choose();
        cluster.StartGateway($"--port={port}");
        using var other = new GatewayClient(port);
        await other.ReadyAsync(() => cluster.Output);
        await AssertGoesOnAsync(cluster, cluster.Programs[0], other, () => Task.CompletedTask);
    }

    [Fact]
    public async Task Kill_OnlyGateway_GoesOnWithTheAnswerWhenItIsStartedAgain()
    {
        using TestCluster cluster = await TestCluster.StartAsync(TestPaths.TinyStories, 2);
        await AssertGoesOnAsync(cluster, cluster.Gateway, cluster.Client, async () =>
        {
            await Wait.UntilAsync(
                "nobody listens", Deadline, async () => (await cluster.Client.HealthAsync()).Status == 0, () => cluster.Output);
            cluster.StartGateway();
        });
    }

    /// <param name="cluster">A cluster that is ready.</param>
    /// <param name="gateway">The gateway that is killed.</param>
    /// <param name="successor">A client of the one that goes on.</param>
    /// <param name="afterwards">Brings the other one into being.</param>
    private static async Task AssertGoesOnAsync(
        TestCluster cluster, RunningProgram gateway, GatewayClient successor, Func<Task> afterwards)
    {
        var undisturbed = new KeyedAnswer();
        await undisturbed.ReadAsync(cluster.Client, "another", Prompt);
        Assert.True(undisturbed.IsComplete);
        Assert.All(undisturbed.Tokens, tokens => Assert.Equal(KeyedAnswer.Length, tokens.Count));
        using KeptRecords kept = await KeptRecords.ConnectAsync(cluster);
        var broken = new KeyedAnswer();
        RunningProgram lastStage = cluster.Silo(2);
        ProcessTable.Signal(lastStage.Id, "STOP");
        Task reading = broken.ReadAsync(cluster.Client, Key, Prompt);
        await kept.StopWhenKeptAsync(lastStage, Key, Length / 8, () => cluster.Output);
        ProcessTable.Signal(gateway.Id, "KILL");
        ProcessTable.Signal(lastStage.Id, "CONT");
        await reading.WaitAsync(Deadline, TestContext.Current.CancellationToken);
        Assert.False(broken.IsComplete);

        await afterwards();
        await successor.ReadyAsync(() => cluster.Output);
        var retry = new KeyedAnswer();
        await retry.ReadAsync(successor, Key, Prompt);
        Assert.True(retry.IsComplete, cluster.Output);
        Assert.Equal(broken.Id, retry.Id);
        Assert.Equal(undisturbed.Usage, retry.Usage);
        for (int choice = 0; choice < KeyedAnswer.Choices; choice++)
        {
            Assert.Equal(undisturbed.Tokens[choice], retry.Tokens[choice]);
            Assert.Equal(undisturbed.Tokens[choice].Take(broken.Tokens[choice].Count), broken.Tokens[choice]);
        }

        // What a silo kept is not sampled again.
        long sampled = (await successor.StatusAsync()).Pipelines[0].SampledTokens;
        Assert.InRange(sampled, 1, Length - (Length / 8));
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{Length - sampled} of {Length} tokens were kept; the client had {broken.Tokens.Sum(tokens => tokens.Count)}");

        // Another time it samples nothing.
        var again = new KeyedAnswer();
        await again.ReadAsync(successor, Key, Prompt);
        Assert.Equal(retry.Tokens, again.Tokens);
        Assert.Equal(sampled, (await successor.StatusAsync()).Pipelines[0].SampledTokens);
    }
}
