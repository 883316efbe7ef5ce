using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Llama.Grains.Answers;
using Llama.Grains.Gateway;
using Llama.Grains.Generation;
using Llama.Model.Sampling;
using Llama.Tests;

namespace Llama.Grains.Tests.Gateway;

public sealed class TokenFeedTests : IAsyncDisposable
{
    private readonly ManualTime time = new();
    private readonly ScriptedGateway gateway = new();
    private readonly TokenFeed feed;
    private readonly IAsyncEnumerator<TokenBatch> batches;

    /// <summary>Items that came, in order: the request's number, and the token or the fault.</summary>
    private readonly List<(int Number, GeneratedToken? Token, GenerationException? Fault)> items = [];

    public TokenFeedTests()
    {
        feed = new TokenFeed(gateway, time);
        batches = feed.ReadAsync(Patience.Token).GetAsyncEnumerator(Patience.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await feed.DisposeAsync().Soon();
        await batches.DisposeAsync().Soon();
    }

    [Fact]
    public async Task ReadAsync_TokensOfSeveralRequests_ComeInTheOrderOfEach()
    {
        for (int number = 1; number <= 3; number++) feed.Submit(number, Request(number));
        for (int i = 0; i < 50; i++)
        {
            for (int number = 1; number <= 3; number++) gateway.Give(number, Token((number * 1000) + i, last: i == 49));
            if (i % 10 == 0) await ReadAsync(1);
        }

        await ReadAsync(150);
        for (int number = 1; number <= 3; number++)
        {
            GeneratedToken[] tokens = [.. items.Where(item => item.Number == number).Select(item => item.Token!)];
            Assert.Equal(Enumerable.Range(number * 1000, 50), tokens.Select(token => token.Sampled.Token));
            Assert.Equal(FinishReason.Length, tokens[^1].Finish);
        }
    }

    [Fact]
    public async Task ReadAsync_TokensThatAreResumed_AreNotSentAgain()
    {
        GeneratedToken[] known = [Token(1), Token(2)];
        feed.Submit(7, Request(7) with { ResumedTokens = known });
        foreach (GeneratedToken token in known) gateway.Give(7, token);
        gateway.Give(7, Token(3));
        gateway.Give(7, Token(4));
        await ReadAsync(2);
        Assert.Equal([3, 4], items.Select(item => item.Token!.Sampled.Token));
        Assert.Equal(known, gateway[7].Request.ResumedTokens);
    }

    [Fact]
    public async Task Submit_NumberThatIsThere_GoesOnOnce()
    {
        feed.Submit(1, Request(1));
        await StartedAsync(1);
        feed.Submit(1, Request(1));
        gateway.Give(1, Token(5));
        await ReadAsync(1);
        Assert.Equal(1, gateway.Count);
        gateway.Give(1, Token(6));
        await ReadAsync(2);
        Assert.Equal([5, 6], items.Select(item => item.Token!.Sampled.Token));
    }

    [Fact]
    public async Task CancelAsync_OneOfTwo_EndsItAloneAndSaysNothingMore()
    {
        feed.Submit(1, Request(1));
        feed.Submit(2, Request(2));
        await StartedAsync(2);
        await feed.CancelAsync(1).Soon();
        await Patience.UntilAsync(() => gateway[1].Ended, () => "The request goes on.");
        Assert.False(gateway[2].Ended);
        gateway.Give(1, Token(5));
        gateway.Give(2, Token(6));
        await ReadAsync(1);
        Assert.Equal((2, 6), (items[0].Number, items[0].Token!.Sampled.Token));

        // Once more, and of one that was never there.
        await feed.CancelAsync(1).Soon();
        await feed.CancelAsync(99).Soon();
        gateway.Give(2, Token(7));
        await ReadAsync(2);
        Assert.Equal([2, 2], items.Select(item => item.Number));
    }

    [Fact]
    public async Task ReadAsync_RequestsThatFail_SayWhyAfterTheirTokens()
    {
        feed.Submit(1, Request(1));
        feed.Submit(2, Request(2));
        gateway.Give(1, Token(5));
        gateway.Fail(1, new GenerationException(GenerationError.Expired, "Too late.", TimeSpan.FromSeconds(3)));
        gateway.Fail(2, new InvalidOperationException("Out of order."));
        await ReadAsync(3);
        Assert.Equal([5], items.Where(item => item.Token is not null).Select(item => item.Token!.Sampled.Token));
        GenerationException first = items.Last(item => item.Number == 1).Fault!;
        Assert.Equal((GenerationError.Expired, "Too late.", TimeSpan.FromSeconds(3)), (first.Error, first.Message, first.RetryAfter));
        GenerationException second = items.Single(item => item.Number == 2).Fault!;
        Assert.Equal((GenerationError.Unavailable, "Out of order."), (second.Error, second.Message));
    }

    [Fact]
    public async Task ReadAsync_NothingToSay_IsAHeartbeatEveryHalfSecond()
    {
        for (int i = 0; i < 3; i++)
        {
            Task<bool> next = batches.MoveNextAsync().AsTask();
            time.Advance(TokenFeed.Heartbeat - TimeSpan.FromMilliseconds(1));
            await Task.Delay(20, Patience.Token);
            Assert.False(next.IsCompleted);
            time.Advance(TimeSpan.FromMilliseconds(1));
            Assert.True(await next.Soon());
            Assert.True(batches.Current.Items.IsEmpty);
        }
    }

    [Fact]
    public async Task ReadAsync_ManyBatches_LeaveNoTimersBehind()
    {
        feed.Submit(1, Request(1));
        for (int i = 0; i < 100; i++)
        {
            Task reading = ReadAsync(i + 1);
            gateway.Give(1, Token(i));
            await reading;
        }

        Assert.InRange(time.Timers, 0, 1);
    }

    [Fact]
    public async Task ReadAsync_MoreThanABatchHolds_ComesInSeveral()
    {
        feed.Submit(1, Request(1));
        GeneratedToken token = Token(9) with { TopLogprobs = [.. Enumerable.Repeat(new TokenLogprob(1, -1), 20)] };
        for (int i = 0; i < 2000; i++) gateway.Give(1, token);
        gateway.Fail(1, new GenerationException(GenerationError.Expired, "Too late."));
        await StartedAsync(1);
        await Patience.UntilAsync(() => gateway[1].Ended, () => "The request goes on.");
        List<int> lengths = [];
        while (items.Count < 2001)
        {
            await ReadAsync(items.Count + 1);
            lengths.Add(batches.Current.Items.Length);
        }

        Assert.Equal(1, items.Count(item => item.Fault is not null));
        Assert.All(lengths, length => Assert.InRange(length, 1, (64 << 10) + 200));
    }

    [Fact]
    public async Task Submit_MoreThanOneAttachmentMayHave_IsRefusedAsOverloaded()
    {
        for (int number = 1; number <= 65_537; number++) feed.Submit(number, Request(number));
        await ReadAsync(1);
        Assert.Equal((65_537, GenerationError.Overloaded), (items[0].Number, items[0].Fault!.Error));
        Assert.NotNull(items[0].Fault!.RetryAfter);

        // One that ends makes room.
        await StartedAsync(65_536);
        await feed.CancelAsync(3).Soon();
        await Patience.UntilAsync(() => gateway[3].Ended, () => "The request goes on.");
        feed.Submit(65_538, Request(65_538));
        await StartedAsync(65_537);
    }

    [Fact]
    public async Task DisposeAsync_RequestsInFlight_EndAndSoDoTheBatches()
    {
        var other = new TokenFeed(gateway, time);
        await using IAsyncEnumerator<TokenBatch> reading = other.ReadAsync(Patience.Token).GetAsyncEnumerator(Patience.Token);
        other.Submit(1, Request(1));
        other.Submit(2, Request(2));
        await StartedAsync(2);
        Task<bool> next = reading.MoveNextAsync().AsTask();
        await other.DisposeAsync().Soon();
        Assert.True(gateway[1].Ended);
        Assert.True(gateway[2].Ended);
        Assert.False(await next.Soon());
        other.Submit(3, Request(3));
        Assert.Equal(2, gateway.Count);
    }

    [Fact]
    public async Task ReadAsync_ReaderGoesAway_Ends()
    {
        using var leaving = new CancellationTokenSource();
        await using var other = new TokenFeed(gateway, time);
        await using IAsyncEnumerator<TokenBatch> reading = other.ReadAsync(leaving.Token).GetAsyncEnumerator(Patience.Token);
        Task<bool> next = reading.MoveNextAsync().AsTask();
        await leaving.CancelAsync();
        Assert.False(await next.Soon());
    }

    private static GeneratedToken Token(int id, bool last = false) =>
        new(new TokenLogprob(id, -1), [], last ? FinishReason.Length : null);

    private static GenerationRequest Request(int number) => new() { PromptTokens = [number] };

    private Task StartedAsync(int count) => Patience.UntilAsync(() => gateway.Count >= count, () => $"{gateway.Count} of {count} began.");

    /// <summary>Reads batches until so many items have come in all.</summary>
    private async Task ReadAsync(int count)
    {
        while (items.Count < count)
        {
            Assert.True(await batches.MoveNextAsync().Soon());
            ReadOnlySpan<byte> rest = batches.Current.Items.Span;
            while (!rest.IsEmpty)
            {
                GeneratedToken? token = TokenBatchCodec.Read(ref rest, out int number, out GenerationException? fault);
                items.Add((number, token, fault));
            }
        }
    }

    /// <summary>Generates what the test gives it, each request as many tokens.</summary>
    private sealed class ScriptedGateway : IGateway
    {
        private readonly ConcurrentDictionary<int, Channel<GeneratedToken>> tokens = new();
        private readonly ConcurrentDictionary<int, Run> runs = new();
        private int begun;

        public IAnswerRecords Records => throw new NotSupportedException();

        public GatewaySummary Summary => throw new NotSupportedException();

        /// <summary>Requests that have begun.</summary>
        public int Count => Volatile.Read(ref begun);

        public Run this[int number] => runs[number];

        public void Give(int number, GeneratedToken token) => Tokens(number).Writer.TryWrite(token);

        public void Fail(int number, Exception fault) => Tokens(number).Writer.TryComplete(fault);

        public async IAsyncEnumerable<GeneratedToken> GenerateAsync(
            GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            // Its number is the prompt.
            int number = request.PromptTokens[0];
            var run = new Run(request);
            runs[number] = run;
            Interlocked.Increment(ref begun);
            try
            {
                await foreach (GeneratedToken token in Tokens(number).Reader.ReadAllAsync(cancellationToken)) yield return token;
            }
            finally
            {
                run.Ended = true;
            }
        }

        public Task<ClusterStatus> StatusAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<ClusterPlan> PlanAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task DrainAsync(string silo, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task TakeBackAsync(string silo, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task RebalanceAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        private Channel<GeneratedToken> Tokens(int number) => tokens.GetOrAdd(number, _ => Channel.CreateUnbounded<GeneratedToken>());

        public sealed class Run(GenerationRequest request)
        {
            private volatile bool ended;

            public GenerationRequest Request => request;

            public bool Ended
            {
                get => ended;
                set => ended = value;
            }
        }
    }
}
