using System.Collections.Concurrent;
using Llama.Grains.Gateway;
using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Grains.Silos;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Links;
using Llama.Grains.Tests.Silos;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Tests;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Gateway;

/// <summary>What the gateway makes of silos that do not do as they should.</summary>
public sealed class PipelineTests : IAsyncDisposable
{
    private readonly ManualTime time = new();
    private readonly List<ScriptedSilo> silos = [];

    private ScriptedCalls Calls => new(silos);

    public async ValueTask DisposeAsync()
    {
        foreach (ScriptedSilo silo in silos) await silo.DisposeAsync();
    }

    [Fact]
    public async Task OpenAsync_EveryStageAnswers_IsReadyAndResultsComeBack()
    {
        await using Pipeline pipeline = await OpenAsync(Silo("silo-1"), Silo("silo-2"));
        Assert.True(pipeline.Ready);
        Assert.Equal([10, 10], pipeline.WeightBytes);
        var results = new ConcurrentQueue<StepResult>();
        pipeline.Start(results.Enqueue, _ => { });
        for (ulong number = 1; number <= 2; number++) pipeline.Send(MakeStep(number));
        await Patience.UntilAsync(() => results.Count == 2, () => $"{results.Count} results");
        Assert.Equal([1ul, 2ul], results.Select(result => result.Number));
    }

    [Theory]

    // All is kept; a part of the first is new, and so is all of the second; what went into the first of them is in a log, or not.
    [InlineData("0-3 log 2,3", "3-6", "", "")]
    [InlineData("0-2 log 2", "", "", "2-6 log 2,3")]
    [InlineData("0-2 log 3", "", "", null)]
    [InlineData("0-2 log 2", "4-6", "", "2-4 log 2,3")]
    [InlineData("0-2", "4-6", "", "0-4 log 2,3")]
    [InlineData("0-3 log 3", "4-6", "", "3-4 log 3")]
    [InlineData("", "3-6", "", "0-3 log 2,3")]

    // A stage that did not apply the last step has nothing; a log of which the last pipeline had only a part is none.
    [InlineData("0-3 log 2,3 late", "3-6", "", "0-3 log 2,3")]
    [InlineData("0-3 log 2,3", "3-6 late", "", "3-6 log 2,3")]
    [InlineData("0-3 log 1,2,3", "3-6", "1-2", "0-2 log 2,3")]

    // What a loss left unfinished is lost, too.
    [InlineData("0-3 log 2,3", "3-6", "2-4", "2-4 log 2,3")]
    [InlineData("0-3 log 3", "4-6", "2-3", "0-4 log 2,3")]
    [InlineData("", "", "", null)]
    [InlineData("0-2 log 3", "4-6", "5-6", null)]
    public async Task OpenAsync_StagesThatKeepSomeLayers_FindsWhatMustBeComputedAgain(
        string first, string second, string unfinished, string? expected)
    {
        ScriptedSilo left = Keeping("silo-1", first);
        ScriptedSilo right = Keeping("silo-2", second);
        left.Last = right;
        PlannedStage[] stages =
        [
            new(left.Member, new LayerSpan(0, 3), Members.Rates, [1, 2, 3], KeepsBlocks: true),
            new(right.Member, new LayerSpan(3, 6), Members.Rates, [], KeepsBlocks: true),
        ];
        var previous = new PreviousPipeline(3, new PipelinePlan(stages, 9, default), 70, [2, 3]);
        await using Pipeline pipeline = Pipeline.Create(0, 5, new PipelinePlan(stages, 8, default, previous), time);
        int[]? carried = expected is null ? null : [8, 1];
        await pipeline.OpenAsync(LinkPair.Identity("gateway"), Calls, new HeldBlocks(Span(unfinished), carried), Patience.Token).Soon();
        Assert.Equal(expected is null ? null : Span(expected.Split(' ')[0]), pipeline.LostLayers);
        if (expected is { Length: > 0 }) Assert.Equal(Logs(expected), pipeline.AsPrevious.Logs.Order().Except([1]));
        else Assert.Equal(expected is null ? [1, 2, 3] : [2, 3], pipeline.AsPrevious.Logs.Order());

        // Blocks under new numbers are of a new lineage.
        Assert.Equal((3ul, expected is null ? 3ul : 5ul), (right.Assigned!.Inherits, right.Assigned.Lineage));
        Assert.Equal(carried, right.Assigned.Carried);
        Assert.Equal(right.Assigned.Lineage, pipeline.AsPrevious.Lineage);
    }

    [Fact]
    public async Task OpenAsync_EveryStage_HasATicketOfItsOwnAndLinksShowIt()
    {
        ScriptedSilo[] stages = [Silo("silo-1"), Silo("silo-2"), Silo("silo-3")];
        await using Pipeline pipeline = await OpenAsync(stages);
        foreach (ScriptedSilo silo in stages)
            Assert.All(silo.Tickets, ticket => Assert.Equal(new LinkTicket(5, silo.Assigned!.Ticket), ticket));

        // Steps and heartbeats; heartbeats only, for the steps come from the stage before; results and heartbeats.
        Assert.Equal([2, 1, 2], stages.Select(silo => silo.Tickets.Count));
        Guid[] tickets = [.. stages.Select(silo => silo.Assigned!.Ticket)];
        Assert.Equal([tickets[1], tickets[2], Guid.Empty], stages.Select(silo => silo.Assigned!.NextTicket));
        Assert.Equal(3, tickets.Distinct().Count());
        Assert.DoesNotContain(Guid.Empty, tickets);
    }

    [Fact]
    public async Task MaxStepTokens_StagesThatTakeStepsOfSeveralSizes_IsTheLeast()
    {
        ScriptedSilo first = Silo("silo-1"), second = Silo("silo-2");
        first.Report = first.Report with { MaxStepTokens = Step.MaxTokens };
        second.Report = second.Report with { MaxStepTokens = 512 };
        await using Pipeline pipeline = await OpenAsync(first, second);
        Assert.Equal(512, pipeline.MaxStepTokens);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(StepBudget.LeastStepTokens - 1)]
    [InlineData(Step.MaxTokens + 1)]
    public async Task OpenAsync_StageThatTakesImpossibleSteps_IsUnfit(int maxStepTokens)
    {
        ScriptedSilo silo = Silo("silo-1");
        silo.Report = silo.Report with { MaxStepTokens = maxStepTokens };
        await using Pipeline pipeline = Create(silo);
        await Assert.ThrowsAsync<StageException>(() => pipeline.OpenAsync(LinkPair.Identity("gateway"), Calls, default, Patience.Token).Soon());
        Assert.Equal("silo-1", pipeline.Unfit?.Name);
    }

    [Fact]
    public async Task OpenAsync_OneStageCannotLoad_FailsAtOnceThoughAnotherStillLoads()
    {
        ScriptedSilo slow = Silo("silo-1", load: cancellationToken => Task.Delay(Timeout.Infinite, cancellationToken));
        ScriptedSilo broken = Silo("silo-2", load: _ => throw new InvalidOperationException("a file is missing"));
        await using Pipeline pipeline = Create(slow, broken);
        await Assert.ThrowsAnyAsync<Exception>(() => pipeline.OpenAsync(LinkPair.Identity("gateway"), Calls, default, Patience.Token).Soon());
        Assert.Equal("silo-2 cannot hold layers 1 to 1: a file is missing", await pipeline.Lost.Soon());
        Assert.Equal("silo-2", pipeline.Unfit?.Name);
        Assert.False(pipeline.Ready);
    }

    [Fact]
    public async Task OpenAsync_FirstStageFailsAtTheProbe_FailsWithItsReasonThoughTheLastIsSilent()
    {
        ScriptedSilo first = Silo("silo-1", steps: (stream, cancellationToken) =>
            Frames.SendAsync(
                stream, FrameKind.Failure, "Layers 0 to 0 on silo-1: No Steps link to silo-2"u8.ToArray(), cancellationToken).AsTask());
        ScriptedSilo last = Silo("silo-2", results: (_, cancellationToken) => Task.Delay(Timeout.Infinite, cancellationToken));
        await using Pipeline pipeline = Create(first, last);
        await Assert.ThrowsAnyAsync<Exception>(() => pipeline.OpenAsync(LinkPair.Identity("gateway"), Calls, default, Patience.Token).Soon());
        Assert.Equal("Layers 0 to 0 on silo-1: No Steps link to silo-2", await pipeline.Lost.Soon());
    }

    [Fact]
    public async Task OpenAsync_Cancelled_Ends()
    {
        await using Pipeline pipeline = Create(Silo("silo-1", load: cancellationToken => Task.Delay(Timeout.Infinite, cancellationToken)));
        using var stopping = new CancellationTokenSource();
        Task opening = pipeline.OpenAsync(LinkPair.Identity("gateway"), Calls, default, stopping.Token);
        await Patience.UntilAsync(() => silos[0].Loads == 1, () => "it loads");
        await stopping.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening.Soon());
    }

    public static TheoryData<string, byte[]> BrokenResults => new()
    {
        { "A frame of kind Step came", [0, 0, 0, 0, (byte)FrameKind.Step] },
        { "announces 4294967295 bytes", [255, 255, 255, 255, (byte)FrameKind.Result] },
        { "cut off or malformed", [3, 0, 0, 0, (byte)FrameKind.Result, 1, 2, 3] },
        { "result of epoch 99", [24, 0, 0, 0, (byte)FrameKind.Result, .. Encoded.Of(new StepResult(99, 1, new SampledTokens()))] },
        { "out of paper", [12, 0, 0, 0, (byte)FrameKind.Failure, .. "out of paper"u8] },
    };

    [Theory]
    [MemberData(nameof(BrokenResults), DisableDiscoveryEnumeration = true)]
    public async Task Start_LastStageSendsNonsense_IsLostOnceWithTheReason(string expected, byte[] frame)
    {
        ScriptedSilo silo = Silo("silo-1");
        await using Pipeline pipeline = await OpenAsync(silo);
        var lost = new ConcurrentQueue<string>();
        pipeline.Start(_ => Assert.Fail("That was no result."), lost.Enqueue);
        await silo.Results!.WriteAsync(frame, Patience.Token);
        Assert.Contains(expected, await pipeline.Lost.Soon(), StringComparison.Ordinal);
        await pipeline.DisposeAsync().Soon();
        Assert.Contains(expected, Assert.Single(lost), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_SiloWithoutSignsOfLife_IsLostAndNamed()
    {
        ScriptedSilo silo = Silo("silo-2");
        await using Pipeline pipeline = await OpenAsync(Silo("silo-1"), silo);
        pipeline.Start(_ => { }, _ => { });
        await Patience.UntilAsync(() => time.Timers > 0 && silos.TrueForAll(s => s.Heartbeats > 0), () => "the watch has begun");
        silo.Frozen = true;
        await Patience.UntilAsync(() =>
        {
            // The other one's thread gets its turns.
            time.Advance(StageWatch.Interval);
            Thread.Sleep(StageHeartbeat.Interval / 2);
            return pipeline.Lost.IsCompleted;
        }, () => "the silence was noticed");
        Assert.Equal("silo-2 has given no heartbeat for 3 s.", await pipeline.Lost.Soon());
        Assert.Equal(("silo-2", true), (pipeline.Unfit?.Name, pipeline.Silent));
    }

    [Fact]
    public async Task Reject_Nonsense_IsLostAndTheLastStageIsToBlame()
    {
        await using Pipeline pipeline = await OpenAsync(Silo("silo-1"), Silo("silo-2"));
        pipeline.Reject("token 99999");
        Assert.Equal("token 99999", await pipeline.Lost.Soon());
        Assert.Equal(("silo-2", false), (pipeline.Unfit?.Name, pipeline.Silent));
    }

    [Fact]
    public async Task Start_AfterItWasDisposedOf_SaysThatItIsLost()
    {
        Pipeline pipeline = await OpenAsync(Silo("silo-1"));
        await pipeline.DisposeAsync().Soon();
        var lost = new TaskCompletionSource<string>();
        pipeline.Start(_ => { }, lost.SetResult);
        Assert.Equal("The pipeline was closed.", await lost.Task.Soon());
    }

    [Fact]
    public async Task Times_SignsOfLife_TellHowLongALayerTakes()
    {
        ScriptedSilo first = Silo("silo-1"), second = Silo("silo-2");
        (first.LayerTime, second.LayerTime) = (TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(60));
        await using Pipeline pipeline = await OpenAsync(first, second);
        await Patience.UntilAsync(() => pipeline.Times.LayerSeconds is not null, () => "There are no times.");
        Assert.Equal([20, 60], pipeline.Plan.Select(stage => pipeline.Times.LayerSeconds![stage.Member.Name]));
    }

    [Fact]
    public async Task Start_SiloVanishes_IsLost()
    {
        ScriptedSilo silo = Silo("silo-1");
        await using Pipeline pipeline = await OpenAsync(silo, Silo("silo-2"));
        pipeline.Start(_ => { }, _ => { });
        await silo.DisposeAsync();
        Assert.Contains("silo-1", await pipeline.Lost.Soon(), StringComparison.Ordinal);
    }

    private static Step MakeStep(ulong number)
    {
        var step = new Step { Epoch = 5, Number = number };
        step.AddSamplingSequence(0, [1], [0], new SamplingParameters(), 0.5, 0);
        return step;
    }

    private ScriptedSilo Silo(
        string name, Func<CancellationToken, Task>? load = null,
        Func<Stream, CancellationToken, Task>? steps = null, Func<Stream, CancellationToken, Task>? results = null)
    {
        var silo = new ScriptedSilo(name, load, steps, results);
        silos.Add(silo);
        return silo;
    }

    /// <summary>A silo that keeps layers and logs of another pipeline.</summary>
    private ScriptedSilo Keeping(string name, string kept)
    {
        LayerSpan span = Span(kept.Split(' ')[0]);
        ScriptedSilo silo = Silo(name);
        silo.Report = new StageReport(10, span.First, span.End, Logs(kept), kept.EndsWith("late", StringComparison.Ordinal) ? 69ul : 70, 256);
        return silo;
    }

    private static LayerSpan Span(string text) =>
        text.Length == 0 ? default : new LayerSpan(text[0] - '0', text[2] - '0');

    private static int[] Logs(string text) =>
        [.. text.Split(' ').SkipWhile(word => word != "log").Skip(1).Take(1).SelectMany(list => list.Split(',')).Select(int.Parse)];

    private Pipeline Create(params ScriptedSilo[] stages)
    {
        // Whatever the first takes, the last answers.
        stages[0].Last = stages[^1];
        return Pipeline.Create(
            0, 5,
            new PipelinePlan(
                [.. stages.Select((silo, i) => new PlannedStage(silo.Member, new LayerSpan(i, i + 1), Members.Rates, []))], 8, default),
            time);
    }

    private async Task<Pipeline> OpenAsync(params ScriptedSilo[] stages)
    {
        Pipeline pipeline = Create(stages);
        await pipeline.OpenAsync(LinkPair.Identity("gateway"), Calls, default, Patience.Token).Soon();
        return pipeline;
    }

    /// <summary>
    /// A silo that follows a script: by default every step is answered with an empty result, whatever the stages between.
    /// </summary>
    private sealed class ScriptedSilo : IAsyncDisposable
    {
        private readonly LinkListener listener;
        private readonly Func<CancellationToken, Task>? load;

        public ScriptedSilo(
            string name, Func<CancellationToken, Task>? load,
            Func<Stream, CancellationToken, Task>? steps, Func<Stream, CancellationToken, Task>? results)
        {
            this.load = load;
            listener = LinkListener.Start("127.0.0.1", 0, LinkPair.Identity(name), async (stream, target, cancellationToken) =>
            {
                if (target.Ticket is { } ticket) Tickets.Add(ticket);
                await Handshake.AcceptAsync(stream, cancellationToken);
                await (target.Purpose switch
                {
                    LinkPurpose.Check => Task.Delay(Timeout.Infinite, cancellationToken),
                    LinkPurpose.Steps => (steps ?? AnswerAsync)(stream, cancellationToken),
                    LinkPurpose.Heartbeat => StageHeartbeat.SendAsync(stream, Heartbeat, TimeProvider.System, cancellationToken),
                    _ => (results ?? KeepAsync)(stream, cancellationToken),
                });
            }, NullLogger.Instance);
            Member = Members.Make(name, listener.EndPoint.ToString());
        }

        public Member Member { get; }

        public ScriptedSilo? Last { get; set; }

        /// <summary>What the links to its stage have shown.</summary>
        public ConcurrentBag<LinkTicket> Tickets { get; } = [];

        public Stream? Results { get; private set; }

        /// <summary>Whether its process stands still, as seen from its heartbeats.</summary>
        public bool Frozen { get; set; }

        public int Heartbeats { get; private set; }

        /// <summary>Time of a layer, of which it says that it has computed one more with each heartbeat.</summary>
        public TimeSpan LayerTime { get; set; }

        public int Loads { get; private set; }

        /// <summary>What it answers when it has loaded.</summary>
        public StageReport Report { get; set; } = new(10, 0, 0, [], 0, 256);

        /// <summary>What it was asked to load.</summary>
        public StageAssignment? Assigned { get; private set; }

        public async Task<StageReport> LoadAsync(StageAssignment assignment, CancellationToken cancellationToken)
        {
            Loads++;
            if (load is not null) await load(cancellationToken);
            Assigned = assignment;
            return Report;
        }

        public async ValueTask DisposeAsync()
        {
            Frozen = false;
            await listener.DisposeAsync().Soon();
        }

        private RangeProgress Heartbeat()
        {
            Heartbeats++;
            while (Frozen) Thread.Sleep(10);
            return new RangeProgress(1, Heartbeats, 0, LayerTime * Heartbeats);
        }

        private async Task KeepAsync(Stream stream, CancellationToken cancellationToken)
        {
            Results = stream;
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }

        private async Task AnswerAsync(Stream stream, CancellationToken cancellationToken)
        {
            while (true)
            {
                (_, byte[] payload) = await Frames.ReadAsync(stream, 10_000, cancellationToken);
                var step = new Step();
                StepCodec.Read(payload, step, isLast: false);
                await Patience.UntilAsync(() => Last!.Results is not null, () => "the gateway opens the link for results first");
                byte[] result = Encoded.Of(new StepResult(step.Epoch, step.Number, new SampledTokens()));
                await Frames.SendAsync(Last!.Results!, FrameKind.Result, result, cancellationToken);
            }
        }
    }

    /// <summary>Calls the silos that the test has.</summary>
    private sealed class ScriptedCalls(List<ScriptedSilo> silos) : ISilos
    {
        public SilosView View => new(1, [.. silos.Select(silo => silo.Member)], []);

        public Task<SilosView> WaitForChangeAsync(long version, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<StageReport> LoadAsync(Member silo, StageAssignment assignment, CancellationToken cancellationToken) =>
            silos.Single(scripted => scripted.Member == silo).LoadAsync(assignment, cancellationToken);

        public void Suspect(Member silo) => throw new NotSupportedException();

        public Task MarkAsync(Member silo, bool drained, CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
