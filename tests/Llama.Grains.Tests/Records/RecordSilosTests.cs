using System.Net;
using System.Net.Sockets;
using Llama.Grains.Directory;
using Llama.Grains.Gateway;
using Llama.Grains.Records;
using Llama.Grains.Tests.Directory;
using Llama.Grains.Tests.Gateway;
using Llama.Grains.Tests.Links;
using Llama.Tests;

namespace Llama.Grains.Tests.Records;

public sealed class RecordSilosTests
{
    private static readonly byte[] Bytes = [.. Enumerable.Range(0, 250_000).Select(i => (byte)(i * 7))];

    [Fact]
    public async Task FindAsync_GatewayIsAnother_FindsWhatTheSilosHave()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2);
        Assert.StartsWith("silo-1 ", cluster.Grain.Records.Keeper, StringComparison.Ordinal);
        for (int end = 0; end < Bytes.Length; end = Math.Min(end + 90_000, Bytes.Length))
            await AppendAsync(cluster.Grain.Records, "a", end, Bytes[end..Math.Min(end + 90_000, Bytes.Length)]);

        // With the silos, as with etcd, and with silos that join anew, as with an embedded directory.
        await cluster.SucceedGatewayAsync();
        await cluster.ReadyAsync();
        Assert.Equal(Bytes, (await cluster.Grain.Records.FindAsync("a", Patience.Token).Soon()).ToArray());
        await cluster.RestartGatewayAsync();
        await cluster.ReadyAsync();
        Assert.Equal(Bytes, (await cluster.Grain.Records.FindAsync("a", Patience.Token).Soon()).ToArray());
        Assert.True((await cluster.Grain.Records.FindAsync("b", Patience.Token).Soon()).IsEmpty);
    }

    [Fact]
    public async Task FindAsync_SilosHaveRecordsOfUnequalLength_TakesTheLongest()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2, spares: 1);
        await AppendAsync(cluster.Grain.Records, "a", 0, Bytes[..20]);
        await AppendAsync(cluster.Grain.Records, "b", 0, Bytes[..5]);

        // The layers move: another silo keeps records, and the one before still has what it has.
        await cluster.Grain.DrainAsync("silo-1", Patience.Token).Soon();
        Assert.DoesNotContain("silo-1", cluster.Grain.Records.Keeper, StringComparison.Ordinal);
        await AppendAsync(cluster.Grain.Records, "a", 0, Bytes[..10]);
        await AppendAsync(cluster.Grain.Records, "b", 0, Bytes[..10]);
        Assert.Equal(20, (await cluster.Grain.Records.FindAsync("a", Patience.Token).Soon()).Length);
        Assert.Equal(10, (await cluster.Grain.Records.FindAsync("b", Patience.Token).Soon()).Length);
    }

    [Fact]
    public async Task FindAsync_BeforeTheFirstPlan_SaysThatTheClusterIsNotReady()
    {
        await using var cluster = new TestCluster(TestModel.TinyStories);
        Assert.Null(cluster.Grain.Records.Keeper);
        Assert.Null(await cluster.Grain.Records.AppendAsync([], Patience.Token));
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(
            () => cluster.Grain.Records.FindAsync("a", Patience.Token).Soon());
        Assert.Equal(GenerationError.Unavailable, fault.Error);
    }

    [Fact]
    public async Task Calls_SilosThatHangOrAreGone_AreWaitedForOnceAndThenLeftAlone()
    {
        var time = new ManualTime();
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        Member[] silos = [Members.Make("hangs", $"{silent.LocalEndpoint}"), Members.Make("gone", "127.0.0.1:1")];
        await using var records = new RecordSilos(LinkPair.Identity("gateway"), () => silos, () => null, () => silos[0], time);
        Task<ReadOnlyMemory<byte>> finding = records.FindAsync("a", Patience.Token);
        while (!finding.IsCompleted)
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(5, Patience.Token);
        }

        Assert.True((await finding).IsEmpty);

        // No time passes now, and yet they answer.
        Assert.True((await records.FindAsync("a", Patience.Token).Soon()).IsEmpty);
        Assert.Null(await records.AppendAsync([new RecordPart("a", 0, new byte[1])], Patience.Token).Soon());
    }

    private static async Task AppendAsync(IAnswerRecords records, string name, int offset, byte[] bytes) =>
        Assert.Equal(
            [offset + bytes.Length], await records.AppendAsync([new RecordPart(name, offset, bytes)], Patience.Token).Soon());
}
