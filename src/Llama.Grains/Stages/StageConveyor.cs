using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Model.Layers;

namespace Llama.Grains.Stages;

/// <summary>
/// Moves the steps of one epoch through one stage: a link brings them in, the range computes them in order, a link takes the hidden
/// states to the next stage or the results to the gateway. Receiving, computing and sending overlap. Whatever fails ends the
/// conveyor: a sentence why goes to both neighbours, and so from stage to stage to both ends of the pipeline, and its links close.
/// </summary>
public sealed class StageConveyor : IAsyncDisposable
{
    private const int MaxInFlight = 64;
    private static readonly TimeSpan TellDeadline = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(100);

    private readonly ILayerRange range;
    private readonly StageAssignment assignment;
    private readonly LinkIdentity self;
    private readonly CancellationTokenSource ending = new();
    private readonly TaskCompletionSource<Stream> resultLink = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<StepInFlight> computing =
        Channel.CreateBounded<StepInFlight>(new BoundedChannelOptions(MaxInFlight) { SingleReader = true, SingleWriter = true });

    private readonly ConcurrentBag<Step> stepPool = [];
    private readonly FrameWriter writer = new();
    private readonly StageTraces traces;
    private readonly Lock gate = new();
    private readonly Task sending;
    private Task receiving = Task.CompletedTask;
    private Task? stopped;
    private bool hasSource;
    private string? failure;
    private ulong applied;

    /// <summary>Starts a conveyor; links are brought to it by <see cref="ReceiveAsync"/> and <see cref="ReturnResultsAsync"/>.</summary>
    /// <param name="range">The loaded range.</param>
    /// <param name="assignment">The stage's place.</param>
    /// <param name="self">This process.</param>
    public StageConveyor(ILayerRange range, StageAssignment assignment, LinkIdentity self)
    {
        ArgumentNullException.ThrowIfNull(assignment);
        this.range = range;
        this.assignment = assignment;
        this.self = self;
        traces = new StageTraces(self.Name, new LayerSpan(assignment.FirstLayer, assignment.EndLayer), TimeProvider.System);
        sending = Task.Run(SendAsync);
    }

    /// <summary>The plan that it belongs to.</summary>
    public ulong Epoch => assignment.Epoch;

    /// <inheritdoc cref="StageAssignment.Owner"/>
    public SiloAddress? Owner => assignment.Owner;

    /// <summary>What links to it must show.</summary>
    public LinkTicket Ticket => new(assignment.Epoch, assignment.Ticket);

    /// <summary>How far the stage is.</summary>
    public RangeProgress Progress => range.Progress;

    /// <summary>Number of the last step that the stage has computed, or let pass; 0 before the first.</summary>
    public ulong AppliedStep => Volatile.Read(ref applied);

    private bool IsLast => assignment.NextAddress is null;

    /// <summary>
    /// Takes steps from the stage before, or the gateway, until the link or the epoch ends. If the stage fails, the other side is told why.
    /// </summary>
    /// <exception cref="LinkException">
    /// The stage has had a link that brings steps already, this one breaks the protocol, or the stage failed.
    /// </exception>
    /// <exception cref="IOException">The other side closed the link.</exception>
    public async Task ReceiveAsync(Stream stream, CancellationToken cancellationToken)
    {
        Task steps;
        lock (gate)
        {
            if (hasSource) throw new LinkException("The stage takes no steps from this link: it has had another, or its epoch is over.");
            hasSource = true;
            steps = receiving = Task.Run(() => ReceiveStepsAsync(stream, cancellationToken), CancellationToken.None);
        }

        try
        {
            await steps.ConfigureAwait(false);
        }
        finally
        {
            await sending.ConfigureAwait(false);
            await TellAsync(stream).ConfigureAwait(false);
        }

        if (failure is not null) throw new LinkException(failure);
    }

    /// <summary>
    /// Sends results into a link that the gateway opened, until the link or the epoch ends. Only the last stage has results.
    /// </summary>
    /// <exception cref="LinkException">The stage is not the last, or has such a link already.</exception>
    public async Task ReturnResultsAsync(Stream stream, CancellationToken cancellationToken)
    {
        if (!IsLast || !resultLink.TrySetResult(stream)) throw new LinkException("The stage has no results for this link.");
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, ending.Token);

        // The gateway never speaks on this link; a read that ends means that it is gone.
        Task<int> gone = stream.ReadAsync(new byte[1], ended.Token).AsTask();
        await Task.WhenAny(gone, sending).ConfigureAwait(false);
        await EndAsync(null).ConfigureAwait(false);
        await ((Task)gone).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        // What is being sent into the link ends before the link does.
        await sending.ConfigureAwait(false);
    }

    /// <summary>
    /// Sends heartbeats into a link that the gateway opened, until the link or the epoch ends. A gateway without such a link has no
    /// gateway: the epoch ends with the link.
    /// </summary>
    /// <exception cref="IOException">The gateway closed the link, or was silent for too long.</exception>
    public async Task HeartbeatAsync(Stream stream, TimeProvider time, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, ending.Token);
        try
        {
            await StageHeartbeat.SendAsync(stream, Tell, time, ended.Token).ConfigureAwait(false);
        }
        finally
        {
            await EndAsync(null).ConfigureAwait(false);
        }
    }

    /// <summary>Ends the epoch: returns when no step of it runs any more.</summary>
    public ValueTask DisposeAsync()
    {
        lock (gate) return new ValueTask(stopped ??= StopAsync());
    }

    /// <summary>Tells how far the stage is; twice a second is often enough to see which spans are over, too.</summary>
    private RangeProgress Tell()
    {
        traces.End(all: false);
        return Progress;
    }

    private async Task StopAsync()
    {
        await EndAsync(null).ConfigureAwait(false);
        await receiving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await sending.ConfigureAwait(false);
        while (computing.Reader.TryRead(out StepInFlight step))
        {
            Task<StepOutput> output = step.Output.AsTask();
            await ((Task)output).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (output.IsCompletedSuccessfully) output.Result.Dispose();
        }

        traces.End(all: true);
    }

    private async Task ReceiveStepsAsync(Stream stream, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, ending.Token);
        try
        {
            var reader = new FrameReader(stream);
            while (true)
            {
                (FrameKind kind, int bytes) = await reader.ReadHeaderAsync(int.MaxValue, ended.Token).ConfigureAwait(false);
                if (kind == FrameKind.Failure)
                {
                    ReadOnlyMemory<byte> reason =
                        await reader.ReadAsync(Math.Min(bytes, Frames.MaxControlBytes), ended.Token).ConfigureAwait(false);
                    await EndAsync(Encoding.UTF8.GetString(reason.Span)).ConfigureAwait(false);
                    return;
                }

                Frames.Expect(kind, FrameKind.Step, []);
                await ReadStepAsync(reader, bytes, ended.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            await EndAsync(null).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // That the other side went away is no fault of this stage, and the gateway knows it from its own links.
            await EndAsync(e is IOException and not LinkException ? null : Fault(e.Message)).ConfigureAwait(false);
            throw;
        }
        finally
        {
            computing.Writer.TryComplete();
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ReadStepAsync(FrameReader reader, int frameBytes, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> header = await reader.PeekAsync(StepCodec.HeaderBytes, cancellationToken).ConfigureAwait(false);
        int stepBytes = StepCodec.ReadLength(header.Span, out int tokens, out LayerSpan layers);
        if (tokens > range.MaxStepTokens)
            throw new LinkException($"A step of {tokens} tokens came; expected at most {range.MaxStepTokens}.");
        if (!stepPool.TryTake(out Step? step)) step = new Step();
        HiddenStates hidden = range.RentHiddenStates(tokens);
        try
        {
            bool computes = layers.Contains(assignment.FirstLayer);
            int hiddenBytes = assignment.FirstLayer > 0 && computes ? hidden.Bytes.Length : 0;
            if (frameBytes != stepBytes + hiddenBytes)
                throw new LinkException(
                    $"A step of {tokens} tokens has {frameBytes} bytes; expected {stepBytes} and {hiddenBytes} of hidden states.");
            ReadOnlyMemory<byte> encoded = await reader.ReadAsync(stepBytes, cancellationToken).ConfigureAwait(false);
            StepCodec.Read(encoded.Span, step, IsLast);
            if (step.Epoch != Epoch) throw new LinkException($"A step of epoch {step.Epoch} came; expected epoch {Epoch}.");
            await reader.ReadAsync(hidden.Bytes[..hiddenBytes], cancellationToken).ConfigureAwait(false);
            await computing.Writer.WaitToWriteAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            hidden.Dispose();
            throw;
        }

        // There is room, and nobody else writes: from here on the output has an owner.
        computing.Writer.TryWrite(new StepInFlight(step, range.RunAsync(step, hidden, ending.Token), TimeProvider.System.GetTimestamp()));
    }

    private async Task SendAsync()
    {
        Stream? stream = null;
        Task watching = Task.CompletedTask;
        string? reason = null;
        try
        {
            // Waiting until the channel is complete, and not for a token as well, allocates nothing.
            while (await computing.Reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false))
            {
                if (!computing.Reader.TryRead(out StepInFlight next)) continue;
                (Step step, ValueTask<StepOutput> pending, long arrived) = next;
                using StepOutput output = await pending.ConfigureAwait(false);
                Volatile.Write(ref applied, step.Number);
                if (step.Parts.Length > 0) traces.Add(step, arrived);
                if (stream is null)
                {
                    stream = await OpenAsync().ConfigureAwait(false);
                    if (!IsLast) watching = WatchAsync(stream);
                }

                await ForwardAsync(stream, step, output).ConfigureAwait(false);
                stepPool.Add(step);
            }
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            // The epoch is over, or somebody else failed.
        }
#pragma warning disable CA1031 // A failure is a value: the neighbours are told.
        catch (Exception e)
#pragma warning restore CA1031
        {
            reason = Fault(e.Message);
        }

        await EndAsync(reason).ConfigureAwait(false);
        if (IsLast && resultLink.Task.IsCompletedSuccessfully) stream = await resultLink.Task.ConfigureAwait(false);
        if (stream is not null) await TellAsync(stream).ConfigureAwait(false);
        await watching.ConfigureAwait(false);
        if (!IsLast && stream is not null) await stream.DisposeAsync().ConfigureAwait(false);
    }

    private Task<Stream> OpenAsync() => IsLast
        ? resultLink.Task.WaitAsync(Handshake.Deadline, ending.Token)
        : Dialler.DialAsync(
            assignment.NextAddress!, self, new LinkTarget(LinkPurpose.Steps, new LinkTicket(assignment.Epoch, assignment.NextTicket)),
            ending.Token);

    /// <summary>The next stage speaks only to say that it failed.</summary>
    private async Task WatchAsync(Stream next)
    {
        try
        {
            string? reason = await Frames.ReadFailureAsync(next, ending.Token).ConfigureAwait(false);

            // Both ends of a pipeline that is closed see it within this time, and there is nothing to tell.
            if (reason is null) await Task.Delay(Grace, ending.Token).ConfigureAwait(false);
            await EndAsync(reason ?? Fault($"the next stage, at {assignment.NextAddress}, closed its link")).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The epoch is over, or this stage failed first.
        }
    }

    private ValueTask ForwardAsync(Stream stream, Step step, StepOutput output)
    {
        if (output.Sampled is { } sampled) return writer.SendAsync(stream, new StepResult(step.Epoch, step.Number, sampled), ending.Token);

        // A stage that lets the step pass needs nothing of it but its place in the order.
        Memory<byte> hidden = step.IsComputedBy(assignment.EndLayer) ? output.HiddenStates!.Bytes : default;
        return writer.SendAsync(stream, step, hidden, ending.Token);
    }

    /// <summary>Ends receiving, computing and sending; the first reason is the one that counts.</summary>
    private async Task EndAsync(string? reason)
    {
        if (reason is not null) Interlocked.CompareExchange(ref failure, reason, null);
        lock (gate)
        {
            // The sender of steps says when there are no more; nobody will any more.
            if (!hasSource) computing.Writer.TryComplete();
            hasSource = true;
        }

        await ending.CancelAsync().ConfigureAwait(false);
    }

    private string Fault(string what) => $"Layers {assignment.FirstLayer} to {assignment.EndLayer - 1} on {self.Name}: {what}";

    /// <summary>Tells a neighbour why the stage failed, if it did.</summary>
    private async Task TellAsync(Stream stream)
    {
        if (failure is not { } reason) return;
        try
        {
            using var deadline = new CancellationTokenSource(TellDeadline);
            await Frames.SendAsync(stream, FrameKind.Failure, Encoding.UTF8.GetBytes(reason), deadline.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // Nobody left to tell; the closed links tell enough.
        }
    }

    /// <summary>A step that is computed, or waits for it.</summary>
    /// <param name="Step">The step.</param>
    /// <param name="Output">What the range makes of it; awaited once.</param>
    /// <param name="Arrived">When it came (the system's timestamp).</param>
    private readonly record struct StepInFlight(Step Step, ValueTask<StepOutput> Output, long Arrived);
}
