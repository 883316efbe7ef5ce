using Llama.Bench.Chaos;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Hosting;
using Llama.Grains.Links;
using Llama.Grains.Records;
using Llama.Grains.Stages;
using Llama.Model.Checkpoints;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>
/// The gateway is killed in the middle of an answer. Whoever asks its successor with the same key gets all of it, and what a silo has a
/// record of is not drawn again.
/// </summary>
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
    public async Task Kill_GatewayWithItsOwnDirectory_GoesOnWithTheAnswerWhenItIsStartedAgain()
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
        string silo = (await cluster.Client.StagesAsync())[0].Address;

        var broken = new KeyedAnswer();
        Task reading = broken.ReadAsync(cluster.Client, Key, Prompt);
        await using GrainLink link = await LinkAsync(silo);
        await Wait.UntilAsync(
            "a silo has a record", Deadline, async () => (await RecordAsync(link))?.TokenCount >= Length / 8, () => cluster.Output);
        ProcessTable.Signal(gateway.Id, "KILL");
        await reading.WaitAsync(Deadline, TestContext.Current.CancellationToken);
        Assert.False(broken.IsComplete);

        await afterwards();
        await successor.ReadyAsync(() => cluster.Output);
        AnswerRecord record = (await RecordAsync(link))!;
        Assert.InRange(record.TokenCount, Length / 8, Length - 1);
        Assert.Equal(broken.Id, record.Id);
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

        // It has drawn what was not in the record, and nothing else.
        long drawn = 0;
        await Wait.UntilAsync(
            "all is drawn", Deadline,
            async () => (drawn = (await successor.StatusAsync()).Pipelines[0].DrawnTokens) >= Length - record.TokenCount, () => $"{drawn}");
        Assert.Equal(Length - record.TokenCount, drawn);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{record.TokenCount} of {Length} tokens were in the record; the client had {broken.Tokens.Sum(tokens => tokens.Count)}");

        // Another time it draws nothing.
        var again = new KeyedAnswer();
        await again.ReadAsync(successor, Key, Prompt);
        Assert.Equal(retry.Tokens, again.Tokens);
        Assert.Equal(Length - record.TokenCount, (await successor.StatusAsync()).Pipelines[0].DrawnTokens);
    }

    private static async Task<GrainLink> LinkAsync(string silo)
    {
        using Checkpoint checkpoint = Checkpoint.Open(TestPaths.TinyStories, new CheckpointOptions());
        LinkIdentity self = LinkIdentity.Of("test", checkpoint, ElementType.F32, default);
        return await GrainLink.OpenAsync(silo, self, TestContext.Current.CancellationToken);
    }

    private static async Task<AnswerRecord?> RecordAsync(GrainLink link)
    {
        IRecordsGrain records = link.Get<IRecordsGrain>(SiloNode.RecordsKey);
        string name = AnswerRecord.NameOf("address 127.0.0.1", Key);
        List<byte> bytes = [];
        while (await records.ReadAsync(name, bytes.Count, TestContext.Current.CancellationToken) is { Bytes.Length: > 0 } page)
            bytes.AddRange(page.Bytes.Span);
        return AnswerRecord.Read(bytes.ToArray(), int.MaxValue);
    }
}
