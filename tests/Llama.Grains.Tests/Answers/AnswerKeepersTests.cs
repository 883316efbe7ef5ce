using Llama.Grains.Answers;
using Llama.Grains.Generation;
using Llama.Grains.Tests.Gateway;
using Llama.Tests;

namespace Llama.Grains.Tests.Answers;

public sealed class AnswerKeepersTests
{
    private static readonly byte[] Bytes = [.. Enumerable.Range(0, 250_000).Select(i => (byte)(i * 7))];

    [Fact]
    public async Task FindAsync_GatewayIsAnother_FindsWhatTheSilosHave()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2);
        Assert.Equal(cluster.Silos["silo-1"].Member.Instance, cluster.Gateway.Records.Keeper);
        for (int end = 0; end < Bytes.Length; end = Math.Min(end + 90_000, Bytes.Length))
            await AppendAsync(cluster.Gateway.Records, "a", end, Bytes[end..Math.Min(end + 90_000, Bytes.Length)]);

        // With silos that it sees at once, and with silos that it hears of only later.
        await cluster.SucceedGatewayAsync();
        await cluster.ReadyAsync();
        Assert.Equal(Bytes, (await cluster.Gateway.Records.FindAsync("a", Patience.Token).Soon()).ToArray());
        await cluster.RestartGatewayAsync();
        await cluster.ReadyAsync();
        Assert.Equal(Bytes, (await cluster.Gateway.Records.FindAsync("a", Patience.Token).Soon()).ToArray());
        Assert.True((await cluster.Gateway.Records.FindAsync("b", Patience.Token).Soon()).IsEmpty);
    }

    [Fact]
    public async Task FindAsync_SilosHaveRecordsOfUnequalLength_TakesTheLongest()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2, spares: 1);
        await AppendAsync(cluster.Gateway.Records, "a", 0, Bytes[..20]);
        await AppendAsync(cluster.Gateway.Records, "b", 0, Bytes[..5]);

        // The layers move: another silo keeps records, and the one before still has what it has.
        await cluster.Gateway.DrainAsync("silo-1", Patience.Token).Soon();
        Assert.NotEqual(cluster.Silos["silo-1"].Member.Instance, cluster.Gateway.Records.Keeper);
        await AppendAsync(cluster.Gateway.Records, "a", 0, Bytes[..10]);
        await AppendAsync(cluster.Gateway.Records, "b", 0, Bytes[..10]);
        Assert.Equal(20, (await cluster.Gateway.Records.FindAsync("a", Patience.Token).Soon()).Length);
        Assert.Equal(10, (await cluster.Gateway.Records.FindAsync("b", Patience.Token).Soon()).Length);
    }

    [Fact]
    public async Task FindAsync_BeforeTheFirstPlan_SaysThatTheClusterIsNotReady()
    {
        await using var cluster = new TestCluster(TestModel.TinyStories);
        Assert.Null(cluster.Gateway.Records.Keeper);
        Assert.Null(await cluster.Gateway.Records.AppendAsync([], Patience.Token));
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(
            () => cluster.Gateway.Records.FindAsync("a", Patience.Token).Soon());
        Assert.Equal(GenerationError.Unavailable, fault.Error);
    }

    [Fact]
    public async Task Calls_SilosThatHangOrAreGone_AreWaitedForOnceAndThenLeftAlone()
    {
        var time = new ManualTime();
        var calls = new BrokenSilos();
        SiloProcess[] silos = [new("hangs", "1"), new("throws", "2")];
        var records = new AnswerKeepers(calls, () => silos, () => null, () => silos[0], time);
        Task<ReadOnlyMemory<byte>> finding = records.FindAsync("a", Patience.Token);
        while (!finding.IsCompleted)
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(5, Patience.Token);
        }

        Assert.True((await finding).IsEmpty);

        Assert.Equal(2, calls.Count);

        // The one that failed at once is tried again after two seconds; then no time passes, and yet they answer without another call.
        for (int i = 0; i < 3; i++) Assert.True((await records.FindAsync("a", Patience.Token).Soon()).IsEmpty);
        Assert.Null(await records.AppendAsync([new RecordPart("a", 0, new byte[1])], Patience.Token).Soon());
        Assert.Equal(3, calls.Count);

        // After a while they are called again.
        time.Advance(TimeSpan.FromSeconds(2));
        calls.Well = true;
        Assert.Equal([1], await records.AppendAsync([new RecordPart("a", 0, new byte[1])], Patience.Token).Soon());
        Assert.Equal(4, calls.Count);
    }

    private static async Task AppendAsync(IAnswerRecords records, string name, int offset, byte[] bytes) =>
        Assert.Equal(
            [offset + bytes.Length], await records.AppendAsync([new RecordPart(name, offset, bytes)], Patience.Token).Soon());

    /// <summary>One silo never answers, and each call to the other fails; until they are well.</summary>
    private sealed class BrokenSilos : IAnswerSilos
    {
        private int count;

        public int Count => Volatile.Read(ref count);

        public bool Well { get; set; }

        public Task<IReadOnlyList<int>> AppendAsync(string silo, IReadOnlyList<RecordPart> parts, CancellationToken cancellationToken) =>
            AnswerAsync<IReadOnlyList<int>>(silo, [.. parts.Select(part => part.Offset + part.Bytes.Length)]);

        public Task<RecordPage> ReadAsync(string silo, RecordPlace place, CancellationToken cancellationToken) =>
            AnswerAsync(silo, new RecordPage(0, default));

        private async Task<T> AnswerAsync<T>(string silo, T answer)
        {
            Interlocked.Increment(ref count);
            if (Well) return answer;
            if (silo == "throws") throw new IOException("The silo is gone.");

            // Not even a cancelled token ends it.
            await new TaskCompletionSource().Task;
            return answer;
        }
    }
}
