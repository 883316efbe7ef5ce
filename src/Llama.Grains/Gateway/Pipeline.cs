using Llama.Grains.Hosting;
using System.Collections.Concurrent;
using System.Text;
using System.Threading.Channels;
using Llama.Grains.Silos;
using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Grains.Stages;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Gateway;

/// <summary>
/// The gateway's end of one pipeline and epoch: loads the stages, feeds steps to the first and takes results from the last. Loss of a
/// link, or a stage that fails, hangs or answers nonsense ends it; it is never repaired, but replaced under a new epoch.
/// </summary>
internal sealed class Pipeline : IPipeline, IAsyncDisposable
{
    /// <summary>A scheduler has one step for each stage in flight, and some more.</summary>
    private const int StepsAStage = 2;

    internal static readonly TimeSpan LoadDeadline = TimeSpan.FromMinutes(10);

    /// <summary>A link that closes without a word is often not the cause: within this time another may tell a better reason.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(100);

    private readonly CancellationTokenSource ending = new();
    /// <summary>One link to each stage, silent as long as its process lives.</summary>
    private readonly List<Stream> presences = [];
    private readonly Channel<Step> outgoing;
    private readonly TaskCompletionSource<string> lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Task> loops = [];
    private readonly PipelinePlan plan;

    /// <summary>What links to each stage open with: only who has this plan from its owner knows them.</summary>
    private readonly Guid[] tickets;
    private readonly StageWatch watch;
    private readonly StageHeartbeats heartbeats;
    private readonly FrameWriter stepWriter = new();
    private Stream? steps;
    private Stream? results;
    private FrameReader? resultReader;
    private readonly ConcurrentBag<SampledTokens> sampledPool = [];
    private ulong completedStep;
    private IReadOnlyList<int> completeLogs = [];

    private Pipeline(int replica, ulong epoch, PipelinePlan plan, TimeProvider time)
    {
        Replica = replica;
        Epoch = epoch;
        this.plan = plan;
        string[] names = [.. Plan.Select(stage => stage.Member.Name)];
        watch = new StageWatch(names, plan.SlowestLayer, time);
        Times = new StageTimes(names);
        heartbeats = new StageHeartbeats(names, watch, Times, time, End);
        outgoing = Channel.CreateBounded<Step>(
            new BoundedChannelOptions(StepsAStage * Plan.Count) { SingleReader = true, AllowSynchronousContinuations = true });
        WeightBytes = new long[Plan.Count];
        tickets = [.. Plan.Select(_ => Guid.NewGuid())];
    }

    /// <summary>Which replica it serves.</summary>
    public int Replica { get; }

    /// <inheritdoc/>
    public ulong Epoch { get; }

    /// <summary>The stages.</summary>
    public IReadOnlyList<PlannedStage> Plan => plan.Stages;

    /// <summary>What the next pipeline may go on with, when this one is lost.</summary>
    public PreviousPipeline AsPrevious => new(Lineage, plan with { Inherits = null }, Volatile.Read(ref completedStep), completeLogs);

    /// <summary>Bytes of weights of each stage; 0 until it has loaded.</summary>
    public long[] WeightBytes { get; }

    /// <summary>The silo that could not load its layers, hung or answered nonsense, if that is why the pipeline ended.</summary>
    public Member? Unfit { get; private set; }

    /// <summary>Whether <see cref="Unfit"/> gave no heartbeat or hung: it may need a while to be seen as gone by others, too.</summary>
    public bool Silent { get; private set; }

    /// <summary>Whether every stage has loaded and a first step has come through.</summary>
    public bool Ready { get; private set; }

    /// <inheritdoc/>
    public bool Retired { get; private set; }

    /// <summary>How fast the stages have worked.</summary>
    public StageTimes Times { get; }

    /// <summary>The plan as a whole.</summary>
    public PipelinePlan Whole => plan;

    /// <inheritdoc/>
    public int Stages => Plan.Count;

    /// <inheritdoc/>
    public int KvBlocks => plan.KvBlocks;

    /// <inheritdoc/>
    public int MaxStepTokens { get; private set; }

    /// <inheritdoc/>
    public bool RepeatsShapes => Plan[0].Member.RepeatsShapes;

    /// <inheritdoc/>
    public LayerSpan? LostLayers { get; private set; }

    /// <inheritdoc/>
    public IReadOnlyList<int>? Carried { get; private set; }

    /// <summary>Blocks that go on under new numbers are others: who knows them by the old ones must not go on.</summary>
    private ulong Lineage => plan.Inherits is { } before && Carried is null ? before.Lineage : Epoch;

    /// <summary>Completes with the reason when the pipeline has ended.</summary>
    public Task<string> Lost => lost.Task;

    /// <summary>Plans a pipeline's stages into an object that <see cref="OpenAsync"/> makes work.</summary>
    public static Pipeline Create(int replica, ulong epoch, PipelinePlan plan, TimeProvider time) => new(replica, epoch, plan, time);

    /// <summary>Loads every stage, connects the ends and sends a first step through all of it.</summary>
    /// <param name="self">This process.</param>
    /// <param name="silos">Calls the stages.</param>
    /// <param name="held">What of the blocks that the plan inherits is of use; nothing when it inherits none.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">A silo does not answer.</exception>
    /// <exception cref="StageException">A stage cannot load its layers; the message says why.</exception>
    public async Task OpenAsync(LinkIdentity self, ISilos silos, HeldBlocks held, CancellationToken cancellationToken)
    {
        Carried = held.Carried;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, ending.Token);
        deadline.CancelAfter(LoadDeadline);
        foreach (PlannedStage stage in Plan)
        {
            Stream presence = await CheckAsync(stage.Member, self, deadline.Token).ConfigureAwait(false);
            presences.Add(presence);
            Own(WatchAsync(stage.Member, presence));
        }

        StageReport[] reports =
            await Task.WhenAll(Enumerable.Range(0, Plan.Count).Select(i => LoadAsync(i, silos, deadline.Token))).ConfigureAwait(false);
        MaxStepTokens = reports.Min(report => report.MaxStepTokens);
        FindLostLayers(reports, held.Unfinished);

        await heartbeats.OpenAsync(stage => DialAsync(stage, LinkPurpose.Heartbeat)).ConfigureAwait(false);
        results = await DialAsync(Plan.Count - 1, LinkPurpose.Results).ConfigureAwait(false);
        resultReader = new FrameReader(results);
        steps = await DialAsync(0, LinkPurpose.Steps).ConfigureAwait(false);
        Own(WatchFirstStageAsync());
        await ProbeAsync(deadline.Token).ConfigureAwait(false);
        Ready = true;

        Task<Stream> DialAsync(int stage, LinkPurpose purpose) => Dialler.DialAsync(
            Plan[stage].Member.Address, self, new LinkTarget(purpose, new LinkTicket(Epoch, tickets[stage])), deadline.Token);
    }

    /// <inheritdoc/>
    public void Start(Action<StepResult> onResult, Action<string> onLost)
    {
        Own(Task.Run(SendAsync));
        Own(Task.Run(() => ReceiveAsync(onResult)));
        Own(TellLostAsync(onLost));
    }

    /// <inheritdoc/>
    public void Send(Step step)
    {
        watch.Sent(step.Tokens.Length);
        if (!outgoing.Writer.TryWrite(step)) Fail($"More than {StepsAStage * Stages} steps wait to be sent.");
    }

    /// <inheritdoc/>
    public void Reject(string reason) => End(Plan.Count - 1, reason);

    /// <inheritdoc/>
    public void Fail(string reason) => End(null, reason);

    /// <summary>Ends the pipeline, because another takes its place.</summary>
    /// <returns>False when it was lost before.</returns>
    public bool Retire(string reason)
    {
        lock (loops)
        {
            Retired = !lost.Task.IsCompleted;
            lost.TrySetResult(reason);
        }

        ending.Cancel();
        return Retired;
    }

    /// <summary>Closes the links. Not while <see cref="OpenAsync"/> runs, which <see cref="Fail"/> ends.</summary>
    public async ValueTask DisposeAsync()
    {
        Fail("The pipeline was closed.");
        if (steps is not null) await steps.DisposeAsync().ConfigureAwait(false);
        if (results is not null) await results.DisposeAsync().ConfigureAwait(false);
        await heartbeats.DisposeAsync().ConfigureAwait(false);
        foreach (Stream presence in presences) await presence.DisposeAsync().ConfigureAwait(false);
        Task all;
        lock (loops) all = Task.WhenAll(loops);
        await all.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>
    /// Keeps a loop, so that <see cref="DisposeAsync"/> waits for it; a scheduler may start a pipeline that is being disposed of.
    /// </summary>
    private void Own(Task task)
    {
        lock (loops) loops.Add(task);
    }

    /// <summary>Ends the pipeline, because of one of its stages or none; the first reason is the one that counts.</summary>
    private void End(int? stage, string reason, bool silent = false)
    {
        lock (loops)
        {
            if (!lost.Task.IsCompleted && stage is { } index) (Unfit, Silent) = (Plan[index].Member, silent);
            lost.TrySetResult(reason);
        }

        ending.Cancel();
    }

    private async Task<Stream> CheckAsync(Member silo, LinkIdentity self, CancellationToken cancellationToken)
    {
        try
        {
            return await Dialler.DialAsync(silo.Address, self, new LinkTarget(LinkPurpose.Check), cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
            Unfit = silo;
            throw;
        }
    }

    private async Task<StageReport> LoadAsync(int stage, ISilos silos, CancellationToken cancellationToken)
    {
        bool last = stage == Plan.Count - 1;
        var assignment = new StageAssignment
        {
            Epoch = Epoch,
            FirstLayer = Plan[stage].Span.First,
            EndLayer = Plan[stage].Span.End,
            KvBlocks = KvBlocks,
            Logs = Plan[stage].Logs,
            Lineage = Lineage,
            Inherits = Plan[stage].KeepsBlocks ? plan.Inherits!.Lineage : 0,
            Carried = Plan[stage].KeepsBlocks ? Carried : null,
            NextAddress = last ? null : Plan[stage + 1].Member.Address,
            Ticket = tickets[stage],
            NextTicket = last ? default : tickets[stage + 1],
        };
        try
        {
            // A load that has begun may take its time to end.
            StageReport report = await silos.LoadAsync(Plan[stage].Member, assignment, cancellationToken).WaitAsync(cancellationToken)
                .ConfigureAwait(false);
            WeightBytes[stage] = report.WeightBytes;
            return report.MaxStepTokens is >= StepBudget.LeastStepTokens and <= Step.MaxTokens ? report : throw new StageException(
                $"it takes {report.MaxStepTokens} tokens a step; expected {StepBudget.LeastStepTokens} to {Step.MaxTokens}.");
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // At once, not when the other stages have loaded, which may take minutes.
            End(stage, $"{Plan[stage].Member.Name} cannot hold layers {assignment.FirstLayer} to {assignment.EndLayer - 1}: {Brief.Of(e)}");
            throw;
        }
    }

    /// <summary>
    /// The layers from the first that lost its blocks, or from the first of all if nobody kept what goes into that layer, to the last that
    /// lost them.
    /// </summary>
    private void FindLostLayers(StageReport[] reports, LayerSpan unfinished)
    {
        LayerSpan lost = unfinished;
        var logs = new List<int>();
        for (int i = 0; i < reports.Length; i++)
        {
            (LayerSpan span, LayerSpan kept) = (Plan[i].Span, new LayerSpan(reports[i].KeptFirst, reports[i].KeptEnd).Common(Plan[i].Span));
            if (!Plan[i].KeepsBlocks || reports[i].AppliedStep < plan.Inherits!.CompletedStep || kept.Count == 0)
            {
                lost = lost.Hull(span);
                continue;
            }

            lost = lost.Hull(new LayerSpan(span.First, kept.First)).Hull(new LayerSpan(kept.End, span.End));
            logs.AddRange(reports[i].KeptLogs.Intersect(Plan[i].Logs).Intersect(plan.Inherits.Logs));
        }

        if (lost.Count > 0 && !logs.Contains(lost.First)) lost = lost with { First = 0 };
        bool nothingKept = lost.Count == Plan[^1].Span.End;
        LostLayers = nothingKept ? null : lost;

        // What is rebuilt goes through all logs on its way.
        IEnumerable<int> filled = Plan.SelectMany(stage => stage.Logs).Where(layer => layer > lost.First && layer <= lost.End);
        completeLogs = [.. nothingKept ? Plan.SelectMany(stage => stage.Logs) : logs.Union(filled)];
    }

    /// <summary>
    /// One token through all stages: the pipeline answers, its links are open and its code is compiled. Where stages have kept their
    /// blocks, they let it pass.
    /// </summary>
    private async Task ProbeAsync(CancellationToken cancellationToken)
    {
        var probe = new Step { Epoch = Epoch };
        if (LostLayers is null) probe.AddSamplingSequence(0, [0], [0], new SamplingParameters { Temperature = 0 }, 0, 0);
        else
        {
            probe.EndLayer = 0;
            probe.AddSequence(0, [0], [0]);
        }

        await stepWriter.SendAsync(steps!, probe, default, cancellationToken).ConfigureAwait(false);
        try
        {
            (FrameKind kind, ReadOnlyMemory<byte> payload) =
                await resultReader!.ReadFrameAsync(ResultCodec.MaxBytes, cancellationToken).ConfigureAwait(false);
            if (kind == FrameKind.Failure) throw new LinkException(Encoding.UTF8.GetString(payload.Span));
            Frames.Expect(kind, FrameKind.Result, payload.Span);
        }
        catch (EndOfStreamException)
        {
            await Task.Delay(Grace, cancellationToken).ConfigureAwait(false);
            throw new IOException($"{Plan[^1].Member.Name} closed the link that brings results.");
        }
    }

    private async Task SendAsync()
    {
        try
        {
            await foreach (Step step in outgoing.Reader.ReadAllAsync(ending.Token).ConfigureAwait(false))
                await stepWriter.SendAsync(steps!, step, default, ending.Token).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // A failure is a value: whatever ends this loop ends the pipeline.
        catch (Exception e)
#pragma warning restore CA1031
        {
            await Task.Delay(Grace, ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Fail($"{Plan[0].Member.Name} takes no more steps: {e.Message}");
        }
    }

    private async Task ReceiveAsync(Action<StepResult> onResult)
    {
        try
        {
            while (true)
            {
                (FrameKind kind, ReadOnlyMemory<byte> payload) =
                    await resultReader!.ReadFrameAsync(ResultCodec.MaxBytes, ending.Token).ConfigureAwait(false);
                if (kind == FrameKind.Failure)
                {
                    Fail(Encoding.UTF8.GetString(payload.Span));
                    return;
                }

                Frames.Expect(kind, FrameKind.Result, payload.Span);
                StepResult result = ResultCodec.Read(payload.Span, SampledTokens.Rent(sampledPool));
                if (result.Epoch != Epoch) throw new LinkException($"A result of epoch {result.Epoch} came; expected epoch {Epoch}.");
                watch.Answered();
                Volatile.Write(ref completedStep, result.Number);
                onResult(result);
            }
        }
#pragma warning disable CA1031 // A failure is a value: whatever ends this loop ends the pipeline.
        catch (Exception e)
#pragma warning restore CA1031
        {
            string reason = $"{Plan[^1].Member.Name} sends no more results: {e.Message}";
            if (e is LinkException) Reject(reason);
            await Task.Delay(Grace, ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Fail(reason);
        }
    }

    /// <summary>The first stage speaks only to say that it, or one after it, failed.</summary>
    private async Task WatchFirstStageAsync()
    {
        try
        {
            string? reason = await Frames.ReadFailureAsync(steps!, ending.Token).ConfigureAwait(false);
            if (reason is null) await Task.Delay(Grace, ending.Token).ConfigureAwait(false);
            Fail(reason ?? $"{Plan[0].Member.Name} closed the link that takes steps.");
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // The pipeline has ended.
        }
    }

    private async Task WatchAsync(Member silo, Stream presence)
    {
        try
        {
            await presence.ReadAsync(new byte[1], ending.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException)
        {
            // The process has ended, or the pipeline has.
        }

        Fail($"The link to {silo.Name} closed.");
    }

    private async Task TellLostAsync(Action<string> onLost) => onLost(await lost.Task.ConfigureAwait(false));
}
