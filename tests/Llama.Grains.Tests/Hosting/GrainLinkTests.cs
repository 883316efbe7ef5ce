using System.Collections.Concurrent;
using Llama.Grains.Hosting;
using Llama.Grains.Links;
using Llama.Grains.Tests.Links;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Hosting;

public sealed class GrainLinkTests : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Counter> counters = new();
    private readonly GrainHost host = new();
    private readonly LinkListener listener;

    public GrainLinkTests()
    {
        host.Register<ICounter>(key => counters.GetOrAdd(key, _ => new Counter()));
        listener = LinkListener.Start("127.0.0.1", 0, LinkPair.Identity("silo-1"), async (stream, _, cancellationToken) =>
        {
            await Handshake.AcceptAsync(stream, cancellationToken);
            await GrainLink.ServeAsync(stream, host, cancellationToken);
        }, NullLogger.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        await listener.DisposeAsync().Soon();
        await host.DisposeAsync().Soon();
    }

    [Fact]
    public async Task Get_MethodsWithAndWithoutResults_RunOverThere()
    {
        await using GrainLink link = await OpenAsync();
        ICounter counter = link.Get<ICounter>("a");
        Assert.Equal(2, await counter.AddAsync(2, Patience.Token).Soon());
        Assert.Equal(44, await counter.AddAsync(42, Patience.Token).Soon());
        Assert.Equal("x:1,2:True", await counter.JoinAsync("x", [1, 2], Patience.Token).Soon());
        Assert.Equal(1, await link.Get<ICounter>("b").AddAsync(1, Patience.Token).Soon());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Get_GrainThrows_ThrowsGrainCallExceptionWithItsMessage(bool atOnce)
    {
        await using GrainLink link = await OpenAsync();
        ICounter counter = link.Get<ICounter>("a");
        GrainCallException fault = await Assert.ThrowsAsync<GrainCallException>(
            () => (atOnce ? counter.ThrowAtOnceAsync("out of paper") : counter.FailAsync("out of paper")).Soon());
        Assert.Equal("out of paper", fault.Message);
        Assert.Equal(1, await counter.AddAsync(1, Patience.Token).Soon());
    }

    [Fact]
    public async Task Get_NothingWhereAResultIsExpected_ThrowsGrainCallException()
    {
        await using GrainLink link = await OpenAsync();
        GrainCallException fault = await Assert.ThrowsAsync<GrainCallException>(() => link.Get<ICounter>("a").NothingAsync().Soon());
        Assert.Contains("ICounter.NothingAsync answered nothing", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Get_GrainThatIsNotHosted_ThrowsGrainCallException()
    {
        await using GrainLink link = await OpenAsync();
        GrainCallException fault = await Assert.ThrowsAsync<GrainCallException>(
            () => link.Get<Llama.Grains.Stages.ILayerRangeGrain>("cpu").LoadAsync(
                new Llama.Grains.Stages.StageAssignment { Epoch = 1, FirstLayer = 0, EndLayer = 1, KvBlocks = 1 }, Patience.Token).Soon());
        Assert.Contains("ILayerRangeGrain", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Get_ManyCallsAtOnce_RunInOrderPerKeyAndAtTheSameTimeAcrossKeys()
    {
        await using GrainLink link = await OpenAsync();
        var calls = new List<Task>();
        for (int i = 0; i < 30; i++)
        {
            calls.Add(link.Get<ICounter>("a").WaitAsync(i, Patience.Token));
            calls.Add(link.Get<ICounter>("b").WaitAsync(i, Patience.Token));
        }

        await Patience.UntilAsync(() => counters.Count == 2 && counters.Values.All(c => c.Begun.Count == 1), () => "both keys run");
        foreach (Counter counter in counters.Values) counter.Gate.Release(30);
        await Task.WhenAll(calls).Soon();
        foreach (Counter counter in counters.Values)
        {
            Assert.Equal(Enumerable.Range(0, 30), counter.Begun);
            Assert.Equal(1, counter.MostInside);
        }
    }

    [Fact]
    public async Task Get_MoreCallsThanMayBeUnderWay_AllAnswer()
    {
        await using GrainLink link = await OpenAsync();
        int[] results =
            await Task.WhenAll(Enumerable.Range(0, 500).Select(_ => link.Get<ICounter>("a").AddAsync(1, Patience.Token))).Soon();
        Assert.Equal(500, results.Max());
    }

    [Fact]
    public async Task Get_Cancelled_StopsWaitingAndTheLinkGoesOn()
    {
        await using GrainLink link = await OpenAsync();
        using var cancelling = new CancellationTokenSource();
        Task waiting = link.Get<ICounter>("a").WaitAsync(1, cancelling.Token);
        await Patience.UntilAsync(() => counters.TryGetValue("a", out Counter? a) && a.Begun.Count == 1, () => "the call has begun");
        await cancelling.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.Soon());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => link.Get<ICounter>("b").AddAsync(1, cancelling.Token).Soon());
        Assert.Equal(1, await link.Get<ICounter>("c").AddAsync(1, Patience.Token).Soon());
    }

    [Fact]
    public async Task Get_CancelledAtRandomMoments_NeverSpoilsTheLink()
    {
        await using GrainLink link = await OpenAsync();
        var random = new Random(11);
        for (int i = 0; i < 200; i++)
        {
            using var cancelling = new CancellationTokenSource();
            Task<string> joining = link.Get<ICounter>("a").JoinAsync(new string('x', random.Next(100_000)), [], cancelling.Token);
            for (int spin = random.Next(50); spin > 0; spin--) await Task.Yield();
            await cancelling.CancelAsync();
            await Task.WhenAny(joining).Soon();
        }

        Assert.Equal(1, await link.Get<ICounter>("a").AddAsync(1, Patience.Token).Soon());
    }

    [Fact]
    public async Task Ended_OtherSideGoesAway_FailsCallsUnderWayAndLaterOnes()
    {
        await using GrainLink link = await OpenAsync();
        Task waiting = link.Get<ICounter>("a").WaitAsync(1, Patience.Token);
        await Patience.UntilAsync(() => counters.TryGetValue("a", out Counter? a) && a.Begun.Count == 1, () => "the call has begun");
        Assert.False(link.Ended.IsCompleted);
        await listener.DisposeAsync().Soon();
        await link.Ended.Soon();
        GrainCallException fault = await Assert.ThrowsAsync<GrainCallException>(() => waiting.Soon());
        Assert.Contains("link", fault.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<GrainCallException>(() => link.Get<ICounter>("a").AddAsync(1, Patience.Token).Soon());
    }

    [Fact]
    public async Task DisposeAsync_CallsUnderWay_FailsThemAndCancelsTheGrains()
    {
        GrainLink link = await OpenAsync();
        Task waiting = link.Get<ICounter>("a").WaitAsync(1, Patience.Token);
        await Patience.UntilAsync(() => counters.TryGetValue("a", out Counter? a) && a.Begun.Count == 1, () => "the call has begun");
        await link.DisposeAsync().Soon();
        await Assert.ThrowsAsync<GrainCallException>(() => waiting.Soon());
        await Patience.UntilAsync(() => counters["a"].Cancelled, () => "nobody waits for the answer any more, and the grain knows");
    }

    [Fact]
    public async Task ServeAsync_FrameThatIsNoCall_ClosesThatLinkOnly()
    {
        await using Stream broken = await Dialler.DialAsync(
            listener.EndPoint.ToString(), LinkPair.Identity("gateway"), new LinkTarget(LinkPurpose.Calls), Patience.Token).Soon();
        byte[] call = "{\"id\":1,\"grain\":null,\"key\":\"a\",\"method\":\"m\",\"arguments\":[]}"u8.ToArray();
        await Frames.SendAsync(broken, FrameKind.Call, call, Patience.Token);
        Assert.Equal(0, await broken.ReadAsync(new byte[1], Patience.Token).Soon());
        await using GrainLink link = await OpenAsync();
        Assert.Equal(1, await link.Get<ICounter>("a").AddAsync(1, Patience.Token).Soon());
    }

    [Fact]
    public async Task ServeAsync_CallsWithTheSameId_AreAllAnswered()
    {
        await using Stream stream = await Dialler.DialAsync(
            listener.EndPoint.ToString(), LinkPair.Identity("gateway"), new LinkTarget(LinkPurpose.Calls), Patience.Token).Soon();
        for (int i = 0; i < 5; i++)
            await Frames.SendJsonAsync(stream, FrameKind.Call, GrainHostTests.Call("a", "AddAsync", 1) with { Id = 9 }, Patience.Token);
        for (int i = 1; i <= 5; i++)
        {
            GrainReply reply = await Frames.ReadJsonAsync<GrainReply>(stream, FrameKind.Reply, Patience.Token).Soon();
            Assert.Equal((9L, (string?)null), (reply.Id, reply.Error));
        }
    }

    [Fact]
    public async Task ServeAsync_CallsThatComeTogether_RunInTheirOrder()
    {
        await using Stream stream = await Dialler.DialAsync(
            listener.EndPoint.ToString(), LinkPair.Identity("gateway"), new LinkTarget(LinkPurpose.Calls), Patience.Token).Soon();
        for (int round = 0; round < 20; round++)
        {
            var together = new MemoryStream();
            for (int i = 0; i < 60; i++)
                await Frames.SendJsonAsync(together, FrameKind.Call, GrainHostTests.Call($"{round}", "WaitAsync", i), Patience.Token);
            await stream.WriteAsync(together.ToArray(), Patience.Token);
            await Patience.UntilAsync(() => counters.ContainsKey($"{round}"), () => "they have come");
            Counter counter = counters[$"{round}"];
            counter.Gate.Release(60);
            await Patience.UntilAsync(() => counter.Begun.Count == 60, () => $"{counter.Begun.Count} have begun");
            Assert.Equal(Enumerable.Range(0, 60), counter.Begun);
        }
    }

    private Task<GrainLink> OpenAsync() =>
        GrainLink.OpenAsync(listener.EndPoint.ToString(), LinkPair.Identity("gateway"), Patience.Token).Soon();
}
