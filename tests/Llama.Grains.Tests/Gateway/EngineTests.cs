using Llama.Grains.Gateway;
using Llama.Grains.Generation;
using Llama.Grains.Links;
using Llama.Grains.Scheduling;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Tests;

namespace Llama.Grains.Tests.Gateway;

public sealed class EngineTests : IAsyncDisposable
{
    private readonly ManualTime time = new();
    private readonly RecordingLogger logger = new();
    private readonly Engine engine;

    public EngineTests() => engine = new Engine(
        ToyModel.Config, new SchedulerLimits { MaxWaiting = 10, StepTokens = 256 }, time, logger);

    /// <summary>Whatever a test did, an idle scheduler that checks its records finds nothing wrong.</summary>
    public async ValueTask DisposeAsync()
    {
        time.Advance(TimeSpan.FromSeconds(1));
        await engine.DisposeAsync();
        Assert.DoesNotContain(logger.Messages, message => message.Contains("contradict", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task GenerateAsync_OneSequence_GetsItsTokensAndGivesItsBlocksBack(int stages)
    {
        engine.Attach(new ToyPipeline(stages, 100) { AtOnce = true });
        GenerationRequest request = ToyModel.Request(1, prompt: 5, generate: 50);
        List<GeneratedToken> generated = await CollectAsync(request);
        Assert.Equal(ToyModel.Alone(request), Ids(generated));
        Assert.All(generated[..^1], token => Assert.Null(token.Finish));
        Assert.Equal(FinishReason.Length, generated[^1].Finish);
        await AllFreeAsync(100);
    }

    [Fact]
    public async Task GenerateAsync_EndToken_IsTheLastTokenUnlessIgnored()
    {
        engine.Attach(new ToyPipeline(2, 1000) { AtOnce = true });
        GenerationRequest request = Enumerable.Range(0, 10_000)
            .Select(seed => ToyModel.Request(seed, 3, 200) with { IgnoreEndTokens = false })
            .First(r => ToyModel.Alone(r).Count is > 5 and < 100);
        List<GeneratedToken> generated = await CollectAsync(request);
        Assert.Equal(ToyModel.Alone(request), Ids(generated));
        Assert.Equal(ToyModel.EndToken, generated[^1].Sampled.Token);
        Assert.Equal(FinishReason.Stop, generated[^1].Finish);

        List<GeneratedToken> whole = await CollectAsync(request with { IgnoreEndTokens = true });
        Assert.Equal(200, whole.Count);
        Assert.Equal(Ids(generated), Ids(whole).Take(generated.Count));
        await AllFreeAsync(1000);
    }

    [Fact]
    public async Task GenerateAsync_TopLogprobs_ArePassedOn()
    {
        engine.Attach(new ToyPipeline(1, 100) { AtOnce = true });
        List<GeneratedToken> generated = await CollectAsync(ToyModel.Request(1) with { TopLogprobs = 3 });
        Assert.All(generated, token => Assert.Equal(Enumerable.Repeat(new TokenLogprob(token.Sampled.Token, -0.5f), 3), token.TopLogprobs));
    }

    [Fact]
    public async Task GenerateAsync_PromptLongerThanAStep_GoesInChunksThatFollowEachOther()
    {
        var pipeline = new ToyPipeline(2, 100);
        engine.Attach(pipeline);
        GenerationRequest request = ToyModel.Request(1, prompt: 1000, generate: 3);
        Task<List<GeneratedToken>> generating = CollectAsync(request);

        // The next chunks are on their way before the first has come back: one for each stage, and one more.
        await Patience.UntilAsync(() => pipeline.InFlight == 3, () => $"{pipeline.InFlight} steps");
        Assert.Equal([(256, 1), (256, 1), (256, 1)], pipeline.Sent);
        pipeline.CompleteFromNowOn();
        await generating.Soon();
        Assert.Equal(ToyModel.Alone(request), Ids(await generating));
        Assert.Equal([(256, 1), (256, 1), (256, 1), (232, 1), (1, 1), (1, 1)], pipeline.Sent);
    }

    [Theory]
    [InlineData(1, 7, 7)]
    [InlineData(2, 7, 4)]
    [InlineData(3, 7, 3)]
    [InlineData(4, 7, 2)]
    [InlineData(4, 2, 1)]
    public async Task SendSteps_SeveralStages_NoStepHasMoreThanItsShare(int stages, int sequences, int share)
    {
        var pipeline = new ToyPipeline(stages, 1000);
        List<GenerationRequest> requests = [.. Enumerable.Range(0, sequences).Select(i => ToyModel.Request(i, prompt: 20, generate: 30))];
        Task<List<GeneratedToken>[]> generating = Task.WhenAll(requests.Select(CollectAsync));
        await Patience.UntilAsync(() => engine.Counts.Waiting == sequences, () => $"{engine.Counts.Waiting} wait");
        engine.Attach(pipeline);

        // With work for all of them, every stage has a step.
        await Patience.UntilAsync(() => pipeline.InFlight == Math.Min(stages, sequences), () => $"{pipeline.InFlight} steps");
        pipeline.CompleteFromNowOn();
        await generating.Soon();
        Assert.All(pipeline.Sent, step => Assert.InRange(step.Sequences, 1, share));
        for (int i = 0; i < sequences; i++) Assert.Equal(ToyModel.Alone(requests[i]), Ids((await generating)[i]));
    }

    [Fact]
    public async Task GenerateAsync_CancelledAtAnyToken_FreesItsBlocksAndLeavesTheOthersAlone()
    {
        engine.Attach(new ToyPipeline(2, 100) { AtOnce = true });
        GenerationRequest other = ToyModel.Request(99, generate: 500);
        Task<List<GeneratedToken>> undisturbed = CollectAsync(other);
        for (int after = 0; after < 20; after++)
        {
            GenerationRequest request = ToyModel.Request(after, prompt: 30, generate: 400);
            List<int> got = await TakeAsync(request, after);
            Assert.Equal(ToyModel.Alone(request).Take(after), got);
        }

        Assert.Equal(ToyModel.Alone(other), Ids(await undisturbed.Soon()));
        await AllFreeAsync(100);
    }

    [Fact]
    public async Task GenerateAsync_CancelledWithAStepUnderWay_ItsBlocksServeTheNextAtOnce()
    {
        var pipeline = new ToyPipeline(2, 10);
        engine.Attach(pipeline);
        using var leaving = new CancellationTokenSource();
        Task<List<GeneratedToken>> generating = CollectUntilAsync(ToyModel.Request(1, prompt: 150, generate: 10), leaving.Token);
        await Patience.UntilAsync(() => pipeline.InFlight == 1, () => "the prompt is on its way");
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generating.Soon());

        // The next one needs these blocks. Stages take steps in order, so it may have them though the step has not come back.
        GenerationRequest next = ToyModel.Request(2, prompt: 150, generate: 10);
        Task<List<GeneratedToken>> following = CollectAsync(next);
        await Patience.UntilAsync(() => pipeline.InFlight == 2, () => "the next one is on its way");
        pipeline.CompleteFromNowOn();
        await following.Soon();
        Assert.Equal(ToyModel.Alone(next), Ids(await following));
        await AllFreeAsync(10);
    }

    [Fact]
    public async Task GenerateAsync_CancelledBeforeItRuns_LeavesTheQueue()
    {
        using var leaving = new CancellationTokenSource();
        Task<List<GeneratedToken>> generating = CollectUntilAsync(ToyModel.Request(1), leaving.Token);
        await Patience.UntilAsync(() => engine.Counts.Waiting == 1, () => "it waits");
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generating.Soon());
        await Patience.UntilAsync(() => engine.Counts.Waiting == 0, () => "it has left");
    }

    [Fact]
    public async Task GenerateAsync_BlocksRunOut_WaitsAndGoesInOrderOfArrival()
    {
        // Two fit at a time, of 4 blocks each, with one block to spare.
        var pipeline = new ToyPipeline(1, 9);
        engine.Attach(pipeline);
        List<GenerationRequest> requests = [.. Enumerable.Range(0, 6).Select(i => ToyModel.Request(i, prompt: 60, generate: 2 + (i % 3)))];
        var tasks = new List<Task<List<GeneratedToken>>>();
        for (int i = 0; i < 6; i++)
        {
            tasks.Add(CollectAsync(requests[i]));
            int arrived = i + 1;
            await Patience.UntilAsync(() => engine.Counts.Running + engine.Counts.Waiting == arrived, () => "it has arrived");
        }

        Assert.Equal((2, 4, 1), (engine.Counts.Running, engine.Counts.Waiting, engine.Counts.FreeBlocks));
        pipeline.CompleteFromNowOn();
        await Task.WhenAll(tasks).Soon();
        for (int i = 0; i < 6; i++) Assert.Equal(ToyModel.Alone(requests[i]), Ids(await tasks[i]));
        Assert.Equal(requests.Select(request => request.PromptTokens[0]), pipeline.Begun);
        await AllFreeAsync(9);
    }

    [Fact]
    public async Task Attach_AfterALossWithFewerBlocks_EverySequenceGoesOnWithTheSameTokens()
    {
        var first = new ToyPipeline(2, 60, epoch: 1);
        engine.Attach(first);
        List<GenerationRequest> requests = [.. Enumerable.Range(0, 6).Select(i => ToyModel.Request(i, prompt: 40, generate: 100))];
        Task<List<GeneratedToken>[]> generating = Task.WhenAll(requests.Select(CollectAsync));
        await Patience.UntilAsync(() => engine.Counts.Running == 6, () => "all run");
        for (int i = 0; i < 100; i++)
        {
            await Patience.UntilAsync(() => first.InFlight > 0, () => "there is a step");
            first.Complete();
        }

        first.Fail("A silo has died.");
        await Patience.UntilAsync(() => engine.Counts.Waiting == 6, () => "all wait");
        Assert.Equal((0, 0), (engine.Counts.Running, engine.Counts.FreeBlocks));

        // Only two of them fit at a time now.
        engine.Attach(new ToyPipeline(3, 20, epoch: 2) { AtOnce = true });
        List<GeneratedToken>[] generated = await generating.Soon();
        for (int i = 0; i < requests.Count; i++) Assert.Equal(ToyModel.Alone(requests[i]), Ids(generated[i]));
        await AllFreeAsync(20);
    }

    [Fact]
    public async Task Attach_LostBeforeItWasAttached_IsNotUsed()
    {
        var dead = new ToyPipeline(1, 10);
        dead.Fail("It died on the way.");
        engine.Attach(dead);
        GenerationRequest request = ToyModel.Request(1);
        Task<List<GeneratedToken>> generating = CollectAsync(request);
        await Patience.UntilAsync(() => engine.Counts.Waiting == 1, () => "it waits");
        engine.Attach(new ToyPipeline(1, 10, epoch: 2) { AtOnce = true });
        Assert.Equal(ToyModel.Alone(request), Ids(await generating.Soon()));
    }

    [Fact]
    public async Task Attach_TooFewBlocksForARequest_EndsItWithBothNumbersAndServesTheOthers()
    {
        Task<List<GeneratedToken>> large = CollectAsync(ToyModel.Request(1, prompt: 100, generate: 100));
        GenerationRequest fits = ToyModel.Request(2, prompt: 100, generate: 40);
        await Patience.UntilAsync(() => engine.Counts.Waiting == 1, () => "the large one waits");
        Task<List<GeneratedToken>> small = CollectAsync(fits);
        engine.Attach(new ToyPipeline(1, 10) { AtOnce = true });
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => large.Soon());
        Assert.Equal(GenerationError.Unavailable, fault.Error);
        Assert.Contains("room for 160 tokens", fault.Message, StringComparison.Ordinal);
        Assert.Contains("may need 200", fault.Message, StringComparison.Ordinal);
        Assert.Equal(ToyModel.Alone(fits), Ids(await small.Soon()));
    }

    [Fact]
    public async Task GenerateAsync_MoreThanMayWait_IsOverloadedAndTheOthersAreServed()
    {
        List<GenerationRequest> requests = [.. Enumerable.Range(0, 10).Select(i => ToyModel.Request(i))];
        Task<List<GeneratedToken>[]> waiting = Task.WhenAll(requests.Select(CollectAsync));
        await Patience.UntilAsync(() => engine.Counts.Waiting == 10, () => "ten wait");
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => CollectAsync(ToyModel.Request(11)).Soon());
        Assert.Equal(GenerationError.Overloaded, fault.Error);
        Assert.NotNull(fault.RetryAfter);
        Assert.Contains("10 requests are waiting", fault.Message, StringComparison.Ordinal);

        engine.Attach(new ToyPipeline(1, 100) { AtOnce = true });
        List<GeneratedToken>[] generated = await waiting.Soon();
        for (int i = 0; i < 10; i++) Assert.Equal(ToyModel.Alone(requests[i]), Ids(generated[i]));
    }

    [Fact]
    public async Task GenerateAsync_MoreAtOnceThanMayWaitButRoomForAll_AreAllServed()
    {
        // Their messages may reach the loop together: those that can run do not count as waiting.
        engine.Attach(new ToyPipeline(2, 1000) { AtOnce = true });
        for (int round = 0; round < 20; round++)
        {
            List<GeneratedToken>[] generated = await Task.WhenAll(
                Enumerable.Range(0, 50).Select(i => CollectAsync(ToyModel.Request(i, generate: 3)))).Soon();
            Assert.All(generated, tokens => Assert.Equal(3, tokens.Count));
        }
    }

    [Fact]
    public async Task GenerateAsync_NoPipelineForTooLong_IsUnavailable()
    {
        Task<List<GeneratedToken>> generating = CollectAsync(ToyModel.Request(1));
        await Patience.UntilAsync(() => engine.Counts.Waiting == 1, () => "it waits");
        time.Advance(TimeSpan.FromSeconds(58));
        await CollectNothingAsync();
        Assert.False(generating.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(4));
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => generating.Soon());
        Assert.Equal(GenerationError.Unavailable, fault.Error);
        Assert.Contains("within 60 s", fault.Message, StringComparison.Ordinal);
        Assert.NotNull(fault.RetryAfter);
    }

    [Fact]
    public async Task Detach_OneThatWaitedLongForBlocks_StillWaitsItsTimeForAPipeline()
    {
        var pipeline = new ToyPipeline(1, 10);
        engine.Attach(pipeline);
        Task<List<GeneratedToken>> running = CollectAsync(ToyModel.Request(1, prompt: 150, generate: 10));
        await Patience.UntilAsync(() => engine.Counts.Running == 1, () => "one runs");
        GenerationRequest request = ToyModel.Request(2, prompt: 150, generate: 10);
        Task<List<GeneratedToken>> waiting = CollectAsync(request);
        await Patience.UntilAsync(() => engine.Counts.Waiting == 1, () => "the other waits");

        // Waiting for blocks has no deadline: those before it end some time.
        time.Advance(TimeSpan.FromMinutes(5));
        pipeline.Fail("A silo has died.");
        await Patience.UntilAsync(() => engine.Counts.Waiting == 2, () => "both wait");
        time.Advance(TimeSpan.FromSeconds(50));
        engine.Attach(new ToyPipeline(1, 10, epoch: 2) { AtOnce = true });
        Assert.Equal(ToyModel.Alone(request), Ids(await waiting.Soon()));
        await running.Soon();
    }

    [Fact]
    public async Task Detach_RequestUnderWhichEveryPipelineIsLost_EndsAndTheOthersAreServed()
    {
        Task<List<GeneratedToken>> generating = CollectAsync(ToyModel.Request(1));
        for (ulong epoch = 1; epoch <= 4; epoch++)
        {
            Assert.False(generating.IsCompleted);
            var pipeline = new ToyPipeline(1, 10, epoch);
            engine.Attach(pipeline);
            await Patience.UntilAsync(() => pipeline.InFlight == 1, () => "it runs");
            pipeline.Fail("A silo has died.");
        }

        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => generating.Soon());
        Assert.Equal(GenerationError.Unavailable, fault.Error);
        Assert.Contains("lost 4 times", fault.Message, StringComparison.Ordinal);
        engine.Attach(new ToyPipeline(1, 10, 5) { AtOnce = true });
        await CollectAsync(ToyModel.Request(2)).Soon();
    }

    [Fact]
    public async Task Detach_PipelinesWhoseLayersMove_NeverEndARequest()
    {
        Task<List<GeneratedToken>> generating = CollectAsync(ToyModel.Request(1));
        for (ulong epoch = 1; epoch <= 9; epoch++)
        {
            var pipeline = new ToyPipeline(1, 10, epoch) { Retired = true };
            engine.Attach(pipeline);
            await Patience.UntilAsync(() => pipeline.InFlight == 1, () => "it runs");
            pipeline.Fail("Its layers move.");
        }

        engine.Attach(new ToyPipeline(1, 10, 10) { AtOnce = true });
        await generating.Soon();
    }

    [Fact]
    public async Task Detach_LossesWithTokensBetween_NeverEndARequest()
    {
        GenerationRequest request = ToyModel.Request(1, generate: 20);
        Task<List<GeneratedToken>> generating = CollectAsync(request);
        for (ulong epoch = 1; epoch < 20; epoch++)
        {
            var pipeline = new ToyPipeline(1, 10, epoch);
            engine.Attach(pipeline);
            await Patience.UntilAsync(() => pipeline.Complete(), () => "it runs");
            pipeline.Fail("A silo has died.");
        }

        engine.Attach(new ToyPipeline(1, 10, 20) { AtOnce = true });
        Assert.Equal(ToyModel.Alone(request), Ids(await generating.Soon()));
    }

    public static TheoryData<string, Func<StepResult, StepResult>> Nonsense => new()
    {
        { "another step's number", result => result with { Number = result.Number + 1 } },
        { "no token", result => result with { Sampled = new SampledTokens() } },
        { "two tokens", result => Add(result, result.Sampled[0].Sampled) },
        { "a token outside the vocabulary", result => Add(result with { Sampled = new SampledTokens() }, new TokenLogprob(300, 0)) },
        { "a negative token", result => Add(result with { Sampled = new SampledTokens() }, new TokenLogprob(-1, 0)) },
        { "no log-probability", result => Add(result with { Sampled = new SampledTokens() }, new TokenLogprob(7, float.NaN)) },
        {
            "a logprob outside the vocabulary",
            result => Add(result with { Sampled = new SampledTokens() }, result.Sampled[0].Sampled, new TokenLogprob(300, 0))
        },
    };

    [Theory]
    [MemberData(nameof(Nonsense), DisableDiscoveryEnumeration = true)]
    public async Task Complete_Nonsense_EndsThePipelineAndNotTheSequence(string what, Func<StepResult, StepResult> spoil)
    {
        var pipeline = new ToyPipeline(2, 10);
        engine.Attach(pipeline);
        GenerationRequest request = ToyModel.Request(1);
        Task<List<GeneratedToken>> generating = CollectAsync(request);
        await Patience.UntilAsync(() => pipeline.Complete(spoil), () => "it runs");
        await Patience.UntilAsync(() => pipeline.Lost is not null, () => $"{what} was believed");
        Assert.Contains("Step 1 is due", pipeline.Lost, StringComparison.Ordinal);
        engine.Attach(new ToyPipeline(1, 10, 2) { AtOnce = true });
        Assert.Equal(ToyModel.Alone(request), Ids(await generating.Soon()));
    }

    [Fact]
    public async Task RunAsync_PipelineThatThrows_FailsItsSequencesAndServesTheNext()
    {
        var broken = new ToyPipeline(1, 10) { SendFault = new InvalidOperationException("a bug") };
        engine.Attach(broken);
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => CollectAsync(ToyModel.Request(1)).Soon());
        Assert.Equal(GenerationError.Unavailable, fault.Error);
        Assert.Contains("a bug", fault.Message, StringComparison.Ordinal);
        await Patience.UntilAsync(() => broken.Lost is not null, () => "the pipeline goes on");
        Assert.Contains("a bug", broken.Lost, StringComparison.Ordinal);
        engine.Attach(new ToyPipeline(1, 10, 2) { AtOnce = true });
        Assert.Equal(20, (await CollectAsync(ToyModel.Request(2)).Soon()).Count);
        await AllFreeAsync(10);
    }

    [Fact]
    public async Task GenerateAsync_TimeoutOver_IsExpiredAndItsBlocksAreFree()
    {
        var pipeline = new ToyPipeline(2, 10);
        engine.Attach(pipeline);
        Task<List<GeneratedToken>> generating = CollectAsync(ToyModel.Request(1) with { Timeout = TimeSpan.FromSeconds(2) });
        await Patience.UntilAsync(() => pipeline.Complete(), () => "it runs");
        time.Advance(TimeSpan.FromSeconds(1.5));
        Assert.False(generating.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.5));
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => generating.Soon());
        Assert.Equal(GenerationError.Expired, fault.Error);
        await AllFreeAsync(10);
    }

    [Fact]
    public async Task CachedTokensAsync_PromptThatWasComputed_CountsItsFullBlocks()
    {
        engine.Attach(new ToyPipeline(1, 10) { AtOnce = true });
        GenerationRequest request = ToyModel.Request(1, prompt: 50, generate: 1);
        Assert.Equal(0, await engine.CachedTokensAsync([.. request.PromptTokens], null).Soon());
        await CollectAsync(request).Soon();
        Assert.Equal(48, await engine.CachedTokensAsync([.. request.PromptTokens], null).Soon());
        await engine.DisposeAsync().Soon();
        Assert.Equal(0, await engine.CachedTokensAsync([.. request.PromptTokens], null).Soon());
    }

    [Fact]
    public async Task DisposeAsync_RunningWaitingAndLateRequests_AllEnd()
    {
        var pipeline = new ToyPipeline(1, 10);
        engine.Attach(pipeline);
        Task<List<GeneratedToken>> running = CollectAsync(ToyModel.Request(1, prompt: 150, generate: 10));
        Task<List<GeneratedToken>> waiting = CollectAsync(ToyModel.Request(2, prompt: 150, generate: 10));
        await Patience.UntilAsync(() => pipeline.InFlight == 1 && engine.Counts.Waiting == 1, () => "one runs, one waits");
        Task<Task<List<GeneratedToken>>[]> late =
            Task.Run(() => Enumerable.Range(0, 200).Select(i => CollectAsync(ToyModel.Request(i))).ToArray());
        await engine.DisposeAsync().Soon();
        foreach (Task<List<GeneratedToken>> request in (Task<List<GeneratedToken>>[])[running, waiting, .. await late.Soon()])
        {
            GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => request.Soon());
            Assert.True(fault.Error is GenerationError.Unavailable or GenerationError.Overloaded, fault.Message);
        }

        // What comes back afterwards disturbs nobody.
        pipeline.Complete();
        pipeline.Fail("It is over.");
    }

    private static StepResult Add(StepResult result, TokenLogprob sampled, params ReadOnlySpan<TokenLogprob> topLogprobs)
    {
        result.Sampled.Add(sampled, topLogprobs);
        return result;
    }

    private static List<int> Ids(IEnumerable<GeneratedToken> generated) => [.. generated.Select(token => token.Sampled.Token)];

    private Task<List<GeneratedToken>> CollectAsync(GenerationRequest request) => CollectUntilAsync(request, Patience.Token);

    private async Task<List<GeneratedToken>> CollectUntilAsync(GenerationRequest request, CancellationToken cancellationToken)
    {
        int maxTokens = request.PromptTokens.Count + request.MaxTokens!.Value;
        var generated = new List<GeneratedToken>();
        await foreach (GeneratedToken token in engine.GenerateAsync(request, maxTokens, null, cancellationToken)) generated.Add(token);
        return generated;
    }

    /// <summary>The first tokens of a request, whose client then goes away.</summary>
    private async Task<List<int>> TakeAsync(GenerationRequest request, int count)
    {
        var got = new List<int>();
        if (count == 0) return got;
        int maxTokens = request.PromptTokens.Count + request.MaxTokens!.Value;
        await foreach (GeneratedToken token in engine.GenerateAsync(request, maxTokens, null, Patience.Token))
        {
            got.Add(token.Sampled.Token);
            if (got.Count == count) break;
        }

        return got;
    }

    /// <summary>A request that comes and goes: when it has, everything that was posted before it has been dealt with.</summary>
    private async Task CollectNothingAsync()
    {
        using var leaving = new CancellationTokenSource();
        int before = engine.Counts.Waiting;
        Task<List<GeneratedToken>> generating = CollectUntilAsync(ToyModel.Request(77), leaving.Token);
        await Patience.UntilAsync(() => engine.Counts.Waiting == before + 1, () => "it came");
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generating.Soon());
        await Patience.UntilAsync(() => engine.Counts.Waiting == before, () => "it left");
    }

    private Task AllFreeAsync(int blocks) => Patience.UntilAsync(
        () => (engine.Counts.FreeBlocks, engine.Counts.Running, engine.Counts.Waiting) == (blocks, 0, 0),
        () => $"{engine.Counts.FreeBlocks} of {blocks} blocks are free, {engine.Counts.Running} run, {engine.Counts.Waiting} wait");
}
