using Llama.Grains.Links;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Links;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Stages;

public sealed class StageConveyorTests
{
    [Fact]
    public async Task ReceiveAsync_StepsThroughTwoStages_ComeBackInOrder()
    {
        await using var pipeline = await LinkedStages.StartAsync(new ToyRange(0, 2, false), new ToyRange(2, 5, true));
        for (ulong number = 1; number <= 200; number++)
            await pipeline.SendAsync(Make(number, sampling: (int)number % 7, silent: (int)number % 3));
        for (ulong number = 1; number <= 200; number++)
        {
            StepResult result = await pipeline.ReadAsync();
            Assert.Equal((LinkedStages.Epoch, number), (result.Epoch, result.Number));

            // Each sequence has the tokens i and i + 1, and every token passes five layers.
            Assert.Equal((int)number % 7, result.Sampled.Count);
            for (int i = 0; i < result.Sampled.Count; i++) Assert.Equal((2 * i) + 1 + 10, result.Sampled[i].Sampled.Token);
        }

        await pipeline.DisposeAsync();
        Assert.All(pipeline.Ranges.Cast<ToyRange>(), range => Assert.Equal(0, range.Rented));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task ReceiveAsync_StageFails_BothEndsAreToldWhy(int failing)
    {
        ToyRange[] ranges = [.. Enumerable.Range(0, 3).Select(i => new ToyRange(i, i + 1, i == 2) { FailAt = i == failing ? 3ul : 0 })];
        await using var pipeline = await LinkedStages.StartAsync(ranges);
        for (ulong number = 1; number <= 2; number++) await pipeline.SendAsync(Make(number, sampling: 1));
        await pipeline.ReadAsync();
        await pipeline.ReadAsync();
        await pipeline.SendAsync(Make(3, sampling: 1));
        string expected = $"Layers {failing} to {failing} on silo-{failing}: out of paper";
        Assert.Equal(expected, await Frames.ReadFailureAsync(pipeline.Results, Patience.Token).Soon());
        Assert.Equal(expected, await Frames.ReadFailureAsync(pipeline.Steps, Patience.Token).Soon());
        await pipeline.DisposeAsync();
        Assert.All(ranges, range => Assert.Equal(0, range.Rented));
    }

    [Fact]
    public async Task ReceiveAsync_NextStageCannotBeReached_TheGatewayIsTold()
    {
        var range = new ToyRange(0, 1, false);
        await using var stage = new StageConveyor(range, LinkedStages.Assignment(0, 1, "127.0.0.1:1"), LinkPair.Identity("silo-0"));
        using LinkPair link = await LinkPair.OpenAsync();
        Task receiving = stage.ReceiveAsync(link.Listener, Patience.Token);
        await SendAsync(link.Dialler, Make(1, sampling: 1));
        string? reason = await Frames.ReadFailureAsync(link.Dialler, Patience.Token).Soon();
        Assert.Contains("Layers 0 to 0 on silo-0", reason, StringComparison.Ordinal);
        Assert.Contains("127.0.0.1:1", reason, StringComparison.Ordinal);
        LinkException fault = await Assert.ThrowsAsync<LinkException>(() => receiving.Soon());
        Assert.Equal(reason, fault.Message);
        await stage.DisposeAsync();
        Assert.Equal(0, range.Rented);
    }

    [Fact]
    public async Task ReceiveAsync_MiddleStageVanishes_TheGatewayIsTold()
    {
        await using var pipeline = await LinkedStages.StartAsync(
            new ToyRange(0, 1, false), new ToyRange(1, 2, false), new ToyRange(2, 3, true));
        await pipeline.SendAsync(Make(1, sampling: 1));
        await pipeline.ReadAsync();
        await pipeline.Listeners[1].DisposeAsync().Soon();
        string? reason = await Frames.ReadFailureAsync(pipeline.Steps, Patience.Token).Soon();
        Assert.Contains("on silo-0: the next stage", reason, StringComparison.Ordinal);
        Assert.Contains(pipeline.Listeners[1].EndPoint.ToString(), reason, StringComparison.Ordinal);
        Assert.Null(await Frames.ReadFailureAsync(pipeline.Results, Patience.Token).Soon());
    }

    [Fact]
    public async Task ReceiveAsync_PartsOfALaterVersion_PassStagesThatTheyDoNotConcernAndAreRefusedByName()
    {
        await using var pipeline = await LinkedStages.StartAsync(new ToyRange(0, 1, false), new ToyRange(1, 2, true));
        Step step = Make(1, sampling: 1);
        step.AddParts(OptionalPartsTests.Part("tRac", -1, 55));
        await pipeline.SendAsync(step);
        await pipeline.ReadAsync();
        step = Make(2, sampling: 1);
        step.AddParts(OptionalPartsTests.Part("Late", 0, 16));
        await pipeline.SendAsync(step);
        string? reason = await Frames.ReadFailureAsync(pipeline.Steps, Patience.Token).Soon();
        Assert.StartsWith("Layers 1 to 1 on silo-1: ", reason, StringComparison.Ordinal);
        Assert.Contains("'Late'", reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReceiveAsync_AsManyTokensAsTheFormHasRoomFor_PassStagesThatTakeThem()
    {
        await using var pipeline = await LinkedStages.StartAsync(
            new ToyRange(0, 1, false), new ToyRange(1, 2, true));
        await pipeline.SendAsync(Make(1, sampling: Step.MaxTokens / 2, silent: 0));
        Assert.Equal(Step.MaxTokens / 2, (await pipeline.ReadAsync()).Sampled.Count);
    }

    [Fact]
    public async Task ReceiveAsync_MoreTokensThanTheStageTakes_AreRefused()
    {
        var range = new ToyRange(0, 1, true) { MaxStepTokens = 32 };
        await using var pipeline = await LinkedStages.StartAsync(range);
        await pipeline.SendAsync(Make(1, sampling: 16, silent: 0));
        await pipeline.ReadAsync();
        await pipeline.SendAsync(Make(2, sampling: 16, silent: 1));
        string? reason = await Frames.ReadFailureAsync(pipeline.Steps, Patience.Token).Soon();
        Assert.Contains("33 tokens came; expected at most 32", reason, StringComparison.Ordinal);
        await pipeline.DisposeAsync();
        Assert.Equal(0, range.Rented);
    }

    public static TheoryData<string, Func<byte[]>> Broken => new()
    {
        { "epoch 9", () => Frame(Make(1, sampling: 1, epoch: 9), []) },
        { "Heartbeat", () => [0, 0, 0, 0, (byte)FrameKind.HeartbeatAnswer] },
        { "announces 4294967295", () => [255, 255, 255, 255, (byte)FrameKind.Step] },
        { "bytes; expected", () => Frame(Make(1, sampling: 1), new byte[8]) },
        { "bytes; expected", () => Shorten(Frame(Make(1, sampling: 1), [])[..^1]) },
        { "sequences", () => [100, 0, 0, 0, (byte)FrameKind.Step, .. new byte[100]] },
    };

    [Theory]
    [MemberData(nameof(Broken), DisableDiscoveryEnumeration = true)]
    public async Task ReceiveAsync_FrameThatBreaksTheProtocol_EndsTheStageAndBothSidesAreToldWhy(string expected, Func<byte[]> frame)
    {
        await using var pipeline = await LinkedStages.StartAsync(new ToyRange(0, 1, false), new ToyRange(1, 2, true));
        await pipeline.SendAsync(Make(1, sampling: 1));
        await pipeline.ReadAsync();
        await pipeline.Steps.WriteAsync(frame(), Patience.Token);
        Assert.Contains(expected, await Frames.ReadFailureAsync(pipeline.Steps, Patience.Token).Soon(), StringComparison.Ordinal);
        Assert.Contains(expected, await Frames.ReadFailureAsync(pipeline.Results, Patience.Token).Soon(), StringComparison.Ordinal);
        await pipeline.DisposeAsync();
        Assert.All(pipeline.Ranges.Cast<ToyRange>(), range => Assert.Equal(0, range.Rented));
    }

    [Fact]
    public async Task ReceiveAsync_MutatedFrames_NeverKeepTheStageOrItsBuffers()
    {
        var random = new Random(12);
        for (int i = 0; i < 300; i++)
        {
            var range = new ToyRange(1, 2, true);
            await using var stage = new StageConveyor(range, LinkedStages.Assignment(1, 2, null), LinkPair.Identity("silo-1"));
            Step step = Make(1, sampling: 3);
            byte[] frame = Frame(step, new byte[step.Tokens.Length * 4]);
            for (int m = random.Next(1, 4); m > 0; m--) frame[random.Next(frame.Length)] = (byte)random.Next(256);
            await Assert.ThrowsAnyAsync<IOException>(() => stage.ReceiveAsync(new OneWayStream(frame), Patience.Token).Soon());
            await stage.DisposeAsync().Soon();
            Assert.Equal(0, range.Rented);
        }
    }

    [Fact]
    public async Task ReceiveAsync_SecondLink_IsRefusedAndTheFirstGoesOn()
    {
        await using var pipeline = await LinkedStages.StartAsync(new ToyRange(0, 1, true));
        await pipeline.SendAsync(Make(1, sampling: 1));
        await pipeline.ReadAsync();
        await Assert.ThrowsAsync<LinkException>(() => pipeline.Conveyors[0].ReceiveAsync(new MemoryStream(), Patience.Token));
        await pipeline.SendAsync(Make(2, sampling: 1));
        Assert.Equal(2ul, (await pipeline.ReadAsync()).Number);
    }

    [Fact]
    public async Task ReturnResultsAsync_StageThatIsNotTheLastOrSecondLink_IsRefused()
    {
        await using var pipeline = await LinkedStages.StartAsync(new ToyRange(0, 1, false), new ToyRange(1, 2, true));

        // Once a result has come, the link that brings them is the first.
        await pipeline.SendAsync(Make(1, sampling: 1));
        await pipeline.ReadAsync();
        await Assert.ThrowsAsync<LinkException>(() => pipeline.Conveyors[0].ReturnResultsAsync(new MemoryStream(), Patience.Token));
        await Assert.ThrowsAsync<LinkException>(() => pipeline.Conveyors[1].ReturnResultsAsync(new MemoryStream(), Patience.Token));
        await pipeline.SendAsync(Make(2, sampling: 1));
        await pipeline.ReadAsync();
    }

    [Fact]
    public async Task ReturnResultsAsync_GatewayGoesAway_EndsTheStages()
    {
        await using var pipeline = await LinkedStages.StartAsync(new ToyRange(0, 1, false), new ToyRange(1, 2, true));
        await pipeline.SendAsync(Make(1, sampling: 1));
        await pipeline.ReadAsync();
        await pipeline.Results.DisposeAsync();

        // Nothing flows, and still the other end of the pipeline sees that it is over.
        await Frames.ReadFailureAsync(pipeline.Steps, Patience.Token).Soon();
    }

    [Fact]
    public async Task HeartbeatAsync_GatewayIsSilent_EndsTheStages()
    {
        var time = new Llama.Tests.ManualTime();
        await using var pipeline = await LinkedStages.StartAsync(new ToyRange(0, 1, false), new ToyRange(1, 2, true));
        using LinkPair link = await LinkPair.OpenAsync();
        Task pulsing = pipeline.Conveyors[1].HeartbeatAsync(link.Listener, time, Patience.Token);
        await pipeline.SendAsync(Make(1, sampling: 1));
        await pipeline.ReadAsync();
        await Patience.UntilAsync(() => time.Timers > 0, () => "it listens");
        time.Advance(Heartbeats.LongestSilence);
        await Assert.ThrowsAsync<LinkException>(() => pulsing.Soon());
        await Frames.ReadFailureAsync(pipeline.Results, Patience.Token).Soon();
    }

    [Fact]
    public async Task DisposeAsync_StepsRunningAndQueued_ReturnsWhenNoneRunsAndGivesEverythingBack()
    {
        var range = new ToyRange(0, 1, true) { Gate = new SemaphoreSlim(0) };
        await using var pipeline = await LinkedStages.StartAsync(range);
        for (ulong number = 1; number <= 10; number++) await pipeline.SendAsync(Make(number, sampling: 1));
        await Patience.UntilAsync(() => range is { Inside: 1, Rented: 10 }, () => $"{range.Inside} runs, {range.Rented} rented");
        Task disposing = pipeline.Conveyors[0].DisposeAsync().AsTask();

        // The others are dropped; the one that runs is waited for.
        await Patience.UntilAsync(() => range.Rented == 1, () => $"{range.Rented} rented");
        Assert.False(disposing.IsCompleted);
        range.Gate.Release();
        await disposing.Soon();
        Assert.Equal(0, range.Rented);
        await Assert.ThrowsAsync<LinkException>(() => pipeline.Conveyors[0].ReceiveAsync(new MemoryStream(), Patience.Token));
    }

    [Fact]
    public async Task DisposeAsync_NothingEverCame_Returns()
    {
        var stage = new StageConveyor(new ToyRange(0, 1, true), LinkedStages.Assignment(0, 1, null), LinkPair.Identity("silo-0"));
        await stage.DisposeAsync().Soon();
        await stage.DisposeAsync().Soon();
    }

    [Fact]
    public async Task DisposeAsync_AtAnyMoment_EndsEverythingAndLeaksNothing()
    {
        var random = new Random(13);
        for (int round = 0; round < 40; round++)
        {
            var ranges = new ToyRange[] { new(0, 1, false), new(1, 2, true) };
            await using var pipeline = await LinkedStages.StartAsync(ranges);
            Task feeding = Task.Run(async () =>
            {
                try
                {
                    for (ulong number = 1; ; number++) await pipeline.SendAsync(Make(number, sampling: 3, silent: 20));
                }
                catch (Exception e) when (e is IOException or ObjectDisposedException)
                {
                    // It was closed.
                }
            }, Patience.Token);
            for (int i = random.Next(50); i > 0; i--) await pipeline.ReadAsync();
            await pipeline.Conveyors[round % 2].DisposeAsync().Soon();
            await pipeline.Conveyors[(round + 1) % 2].DisposeAsync().Soon();
            Assert.All(ranges, range => Assert.Equal(0, range.Rented));
            await pipeline.DisposeAsync();
            await feeding.Soon();
        }
    }

    private static Step Make(ulong number, int sampling, int silent = 1, ulong epoch = LinkedStages.Epoch)
    {
        var step = new Step { Epoch = epoch, Number = number };
        for (int i = 0; i < sampling; i++) step.AddSamplingSequence(0, [i, i + 1], [0], new SamplingParameters(), 0.5, 0);
        for (int i = 0; i < silent; i++) step.AddSequence(0, [i], [0]);
        if (step.Tokens.Length == 0) step.AddSequence(0, [0], [0]);
        return step;
    }

    internal static async Task SendAsync(Stream link, Step step) => await link.WriteAsync(Frame(step, []), Patience.Token);

    private static byte[] Frame(Step step, byte[] hidden)
    {
        int length = StepCodec.Bytes(step);
        byte[] frame = new byte[Frames.HeaderBytes + length + hidden.Length];
        Frames.WriteHeader(frame, FrameKind.Step, length + hidden.Length);
        StepCodec.Write(step, frame.AsSpan(Frames.HeaderBytes));
        hidden.CopyTo(frame, Frames.HeaderBytes + length);
        return frame;
    }

    /// <summary>Makes a frame's header tell its real length.</summary>
    private static byte[] Shorten(byte[] frame)
    {
        Frames.WriteHeader(frame, FrameKind.Step, frame.Length - Frames.HeaderBytes);
        return frame;
    }
}
