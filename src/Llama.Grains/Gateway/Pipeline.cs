using System.Text;
using System.Threading.Channels;
using Llama.Grains.Directory;
using Llama.Grains.Hosting;
using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Grains.Stages;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Gateway;

/// <summary>A stage of a planned pipeline.</summary>
/// <param name="Member">The silo.</param>
/// <param name="Span">Its layers.</param>
internal sealed record PlannedStage(Member Member, LayerSpan Span);

/// <summary>
/// The gateway's end of one pipeline and epoch: loads the stages, feeds steps to the first and takes results from the last. Loss of a
/// link, a failed stage, or a step that takes longer than its deadline ends it; it is never repaired, but replaced under a new epoch.
/// </summary>
internal sealed class Pipeline : IPipeline, IAsyncDisposable
{
    /// <summary>A scheduler has one step for each stage under way, and some more.</summary>
    private const int StepsAStage = 2;

    private static readonly TimeSpan LoadDeadline = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan StepDeadline = TimeSpan.FromMinutes(1);

    /// <summary>A link that closes without a word is often not the cause: within this time another may tell a better reason.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(100);

    private readonly TimeProvider time;
    private readonly CancellationTokenSource ending = new();
    private readonly List<GrainLink> calls = [];
    private readonly Channel<Step> outgoing;
    private readonly TaskCompletionSource<string> lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Task> loops = [];
    private readonly FrameWriter stepWriter = new();
    private Stream? steps;
    private Stream? results;
    private FrameReader? resultReader;
    private long oldestSent;
    private int underWay;

    private Pipeline(int replica, ulong epoch, IReadOnlyList<PlannedStage> plan, int kvBlocks, TimeProvider time)
    {
        Replica = replica;
        Epoch = epoch;
        Plan = plan;
        KvBlocks = kvBlocks;
        this.time = time;
        outgoing = Channel.CreateBounded<Step>(new BoundedChannelOptions(StepsAStage * plan.Count) { SingleReader = true });
        WeightBytes = new long[plan.Count];
    }

    /// <summary>Which replica it serves.</summary>
    public int Replica { get; }

    /// <inheritdoc/>
    public ulong Epoch { get; }

    /// <summary>The stages.</summary>
    public IReadOnlyList<PlannedStage> Plan { get; }

    /// <summary>Bytes of weights of each stage; 0 until it has loaded.</summary>
    public long[] WeightBytes { get; }

    /// <summary>The silo that could not load its layers, if that is why the pipeline did not open.</summary>
    public Member? Unfit { get; private set; }

    /// <summary>Whether every stage has loaded and a first step has come through.</summary>
    public bool Ready { get; private set; }

    /// <inheritdoc/>
    public int Stages => Plan.Count;

    /// <inheritdoc/>
    public int KvBlocks { get; }

    /// <summary>Completes with the reason when the pipeline has ended.</summary>
    public Task<string> Lost => lost.Task;

    /// <summary>Plans a pipeline's stages into an object that <see cref="OpenAsync"/> makes work.</summary>
    public static Pipeline Create(int replica, ulong epoch, IReadOnlyList<PlannedStage> plan, int kvBlocks, TimeProvider time) =>
        new(replica, epoch, plan, kvBlocks, time);

    /// <summary>Loads every stage, connects the ends and sends a first step through all of it.</summary>
    /// <exception cref="IOException">A silo does not answer.</exception>
    /// <exception cref="GrainCallException">A stage cannot load its layers; the message says why.</exception>
    public async Task OpenAsync(LinkIdentity self, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, ending.Token);
        deadline.CancelAfter(LoadDeadline);
        foreach (PlannedStage stage in Plan)
            calls.Add(await GrainLink.OpenAsync(stage.Member.Address, self, deadline.Token).ConfigureAwait(false));
        foreach (GrainLink link in calls) Own(WatchAsync(link));
        await Task.WhenAll(Enumerable.Range(0, Plan.Count).Select(i => LoadAsync(i, deadline.Token))).ConfigureAwait(false);

        results = await Dialler.DialAsync(
            Plan[^1].Member.Address, self, new LinkTarget(LinkPurpose.Results, Epoch), deadline.Token).ConfigureAwait(false);
        resultReader = new FrameReader(results);
        steps = await Dialler.DialAsync(
            Plan[0].Member.Address, self, new LinkTarget(LinkPurpose.Steps, Epoch), deadline.Token).ConfigureAwait(false);
        Own(WatchFirstStageAsync());
        await ProbeAsync(deadline.Token).ConfigureAwait(false);
        Ready = true;
    }

    /// <inheritdoc/>
    public void Start(Action<StepResult> onResult, Action<string> onLost)
    {
        Own(Task.Run(SendAsync));
        Own(Task.Run(() => ReceiveAsync(onResult)));
        Own(Task.Run(WatchDeadlineAsync));
        Own(TellLostAsync(onLost));
    }

    /// <inheritdoc/>
    public void Send(Step step)
    {
        if (Interlocked.Increment(ref underWay) == 1) Volatile.Write(ref oldestSent, time.GetTimestamp());
        if (!outgoing.Writer.TryWrite(step)) Fail($"More than {StepsAStage * Stages} steps wait to be sent.");
    }

    /// <inheritdoc/>
    public void Fail(string reason)
    {
        lost.TrySetResult(reason);
        ending.Cancel();
    }

    /// <summary>Closes the links. Not while <see cref="OpenAsync"/> runs, which <see cref="Fail"/> ends.</summary>
    public async ValueTask DisposeAsync()
    {
        Fail("The pipeline was closed.");
        if (steps is not null) await steps.DisposeAsync().ConfigureAwait(false);
        if (results is not null) await results.DisposeAsync().ConfigureAwait(false);
        foreach (GrainLink link in calls) await link.DisposeAsync().ConfigureAwait(false);
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

    private async Task LoadAsync(int stage, CancellationToken cancellationToken)
    {
        bool last = stage == Plan.Count - 1;
        var assignment = new StageAssignment
        {
            Epoch = Epoch,
            FirstLayer = Plan[stage].Span.First,
            EndLayer = Plan[stage].Span.End,
            KvBlocks = KvBlocks,
            NextAddress = last ? null : Plan[stage + 1].Member.Address,
        };
        try
        {
            StageReport report =
                await calls[stage].Get<ILayerRangeGrain>(SiloNode.StageKey).LoadAsync(assignment, cancellationToken).ConfigureAwait(false);
            WeightBytes[stage] = report.WeightBytes;
        }
        catch (GrainCallException e)
        {
            Unfit = Plan[stage].Member;

            // At once, not when the other stages have loaded, which may take minutes.
            Fail($"{Plan[stage].Member.Name} cannot hold layers {assignment.FirstLayer} to {assignment.EndLayer - 1}: {e.Message}");
            throw;
        }
    }

    /// <summary>One token through all stages: the pipeline answers, its links are open and its code is compiled.</summary>
    private async Task ProbeAsync(CancellationToken cancellationToken)
    {
        var probe = new Step { Epoch = Epoch };
        probe.AddDrawingSequence(0, [0], [0], new SamplingParameters { Temperature = 0 }, 0, 0);
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
                StepResult result = ResultCodec.Read(payload.Span);
                if (result.Epoch != Epoch) throw new LinkException($"A result of epoch {result.Epoch} came; expected epoch {Epoch}.");
                Volatile.Write(ref oldestSent, time.GetTimestamp());
                Interlocked.Decrement(ref underWay);
                onResult(result);
            }
        }
#pragma warning disable CA1031 // A failure is a value: whatever ends this loop ends the pipeline.
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (e is IOException and not LinkException)
                await Task.Delay(Grace, ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Fail($"{Plan[^1].Member.Name} sends no more results: {e.Message}");
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

    private async Task WatchAsync(GrainLink link)
    {
        await link.Ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        string name = Plan[calls.IndexOf(link)].Member.Name;
        Fail($"The link to {name} closed.");
    }

    private async Task WatchDeadlineAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), time);
        while (!lost.Task.IsCompleted)
        {
            try
            {
                await timer.WaitForNextTickAsync(ending.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            if (Volatile.Read(ref underWay) > 0 && time.GetElapsedTime(Volatile.Read(ref oldestSent)) > StepDeadline)
                Fail($"A step took longer than {StepDeadline.TotalSeconds:0} s.");
        }
    }

    private async Task TellLostAsync(Action<string> onLost) => onLost(await lost.Task.ConfigureAwait(false));
}
