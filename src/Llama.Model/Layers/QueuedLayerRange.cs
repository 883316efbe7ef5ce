using System.Collections.Concurrent;
using System.Threading.Channels;
using Llama.Model.Machine;

namespace Llama.Model.Layers;

/// <summary>
/// What layer ranges on any device have in common: one thread takes the steps from a bounded queue and runs them through a forward pass, and
/// keeps the logs of hidden states. A device adds how a range is loaded and how one follows another.
/// </summary>
public abstract class QueuedLayerRange : ILayerRange
{
    private const int QueuedSteps = 16;
    private static readonly TimeSpan FirstRequest = TimeSpan.FromSeconds(0.5);

    private readonly ConcurrentBag<PinnedHiddenStates> hiddenPool = [];
    private readonly ConcurrentBag<QueuedStep> stepPool = [];
    private readonly Channel<QueuedStep> queue =
        Channel.CreateBounded<QueuedStep>(new BoundedChannelOptions(QueuedSteps) { SingleReader = true });

    // Waiting for the channel itself would allocate; this counts the steps in it, and the end.
    private readonly SemaphoreSlim arrivals = new(0);
    private readonly IForward forward;
    private readonly ModelConfig config;
    private readonly TaskCompletionSource started = new();
    private Task thread = Task.CompletedTask;
    private bool repacked;
    private int steps;
    private ulong begun;

    /// <summary>The logs and the layers that what they hold goes into, in order.</summary>
    private readonly (int Layer, HiddenStateLog Log)[] logs;

    /// <summary>A range whose thread is not started yet.</summary>
    /// <param name="config">The model.</param>
    /// <param name="forward">Computes; the range's from now on.</param>
    /// <param name="logs">The layers that it keeps logs for, and logs that go on with what they have; the range's from now on.</param>
    /// <param name="maxStepTokens">Most tokens of a step.</param>
    private protected QueuedLayerRange(
        ModelConfig config, IForward forward, IEnumerable<(int Layer, HiddenStateLog? Kept)> logs, int maxStepTokens)
    {
        this.config = config;
        this.forward = forward;
        this.logs = [.. logs.Select(log => (log.Layer, log.Kept ?? new HiddenStateLog(config.Dim, forward.KvBlocks)))];
        MaxStepTokens = maxStepTokens;
    }

    /// <inheritdoc/>
    public int FirstLayer => forward.FirstLayer;

    /// <inheritdoc/>
    public int EndLayer => forward.EndLayer;

    /// <inheritdoc/>
    public int MaxStepTokens { get; }

    /// <inheritdoc/>
    public long WeightBytes => forward.WeightBytes;

    /// <inheritdoc/>
    public RangeProgress Progress =>
        new(Volatile.Read(ref begun), forward.LayersDone, Volatile.Read(ref steps), forward.LayerTime);

    /// <summary>Whether nothing is left to do between steps that would make later ones faster.</summary>
    public bool IsRepacked => Volatile.Read(ref repacked);

    /// <inheritdoc/>
    public async Task<ILayerRange> RepartitionAsync(
        int firstLayer, int endLayer, int kvBlocks, IReadOnlyList<int> logs, IReadOnlyList<int>? carried)
    {
        ArgumentNullException.ThrowIfNull(logs);
        await StopAsync().ConfigureAwait(false);
        try
        {
            CheckRange(config, firstLayer, endLayer, kvBlocks);
            int blocks = forward.KvBlocks;
            if (carried is null ? kvBlocks != blocks : carried.Count > kvBlocks || carried.Any(block => (uint)block >= (uint)blocks))
                throw new ArgumentException($"{carried?.Count ?? blocks} of {blocks} KV blocks cannot go on in a pool of {kvBlocks}.");
            IReadOnlyList<int> layers = CheckLogs(config, firstLayer, endLayer, logs);
            return Continue(
                firstLayer, endLayer, kvBlocks, layers.Select(layer => (layer, Log(layer)?.Repartition(kvBlocks, carried))), carried);
        }
        finally
        {
            Free();
        }
    }

    /// <inheritdoc/>
    public HiddenStates RentHiddenStates(int tokens) => PinnedHiddenStates.Rent(hiddenPool, tokens, config.Dim, MaxStepTokens);

    /// <inheritdoc/>
    /// <remarks>The awaiting code goes on in the thread that computes, and must not block it.</remarks>
    public ValueTask<StepOutput> RunAsync(Step step, HiddenStates hiddenStates, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(step);
        var queued = QueuedStep.Rent(stepPool, step, (PinnedHiddenStates)hiddenStates, cancellationToken);
        Interlocked.Increment(ref steps);
        ValueTask writing = queue.Writer.WriteAsync(queued, cancellationToken);
        if (!writing.IsCompletedSuccessfully) return RunWhenQueuedAsync(writing, queued);
        arrivals.Release();
        return queued.Output;
    }

    /// <summary>Runs what is queued, refuses what comes later with <see cref="ChannelClosedException"/>, and frees the memory.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>Throws unless a model has a range, and its pools a block.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It has not.</exception>
    internal static void CheckRange(ModelConfig config, int firstLayer, int endLayer, int kvBlocks)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstLayer);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(endLayer, config.Layers);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(endLayer, firstLayer);
        ArgumentOutOfRangeException.ThrowIfLessThan(kvBlocks, 1);
    }

    /// <summary>The layers of logs in order, each once.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One does not lie after the first layer, or beyond the range.</exception>
    internal static IReadOnlyList<int> CheckLogs(ModelConfig config, int firstLayer, int endLayer, IReadOnlyList<int> logs)
    {
        int last = Math.Min(endLayer, config.Layers - 1);
        if (logs.Any(layer => layer <= firstLayer || layer > last))
        {
            throw new ArgumentOutOfRangeException(
                nameof(logs), string.Join(", ", logs), $"expected layers of {firstLayer + 1} to {last}");
        }

        return [.. logs.Distinct().Order()];
    }

    /// <summary>Loads the range that follows this one, whose thread has ended and which is disposed of afterwards.</summary>
    /// <param name="firstLayer">First layer of the other.</param>
    /// <param name="endLayer">The layer after its last.</param>
    /// <param name="kvBlocks">Blocks in every layer's pool.</param>
    /// <param name="logs">The layers that it keeps logs for, and what goes on of this one's.</param>
    /// <param name="carried">The blocks that go on, in the order of their new numbers; null when the numbers stay as they are.</param>
    private protected abstract ILayerRange Continue(
        int firstLayer, int endLayer, int kvBlocks, IEnumerable<(int Layer, HiddenStateLog? Kept)> logs, IReadOnlyList<int>? carried);

    /// <summary>Starts the thread that runs the steps.</summary>
    /// <param name="begin">Called first in that thread.</param>
    /// <exception cref="Exception">What it throws; the range is disposed of then.</exception>
    private protected void Start(Action begin)
    {
        try
        {
            thread = OwnThread.Start($"layers {FirstLayer}-{EndLayer}", () => Work(begin));
            started.Task.GetAwaiter().GetResult();
        }
        catch
        {
            Free();
            throw;
        }
    }

    private HiddenStateLog? Log(int layer)
    {
        foreach ((int into, HiddenStateLog log) in logs)
        {
            if (into == layer) return log;
        }

        return null;
    }

    private async Task StopAsync()
    {
        if (queue.Writer.TryComplete()) arrivals.Release();
        await thread.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void Free()
    {
        forward.Dispose();
        foreach ((_, HiddenStateLog log) in logs) log.Dispose();
    }

    /// <summary>The rest of a call that found the queue full or closed.</summary>
    private async ValueTask<StepOutput> RunWhenQueuedAsync(ValueTask writing, QueuedStep queued)
    {
        try
        {
            await writing.ConfigureAwait(false);
        }
        catch
        {
            Interlocked.Decrement(ref steps);
            queued.HiddenStates.Dispose();
            queued.GiveBack();
            throw;
        }

        arrivals.Release();
        return await queued.Output.ConfigureAwait(false);
    }

    private void Work(Action begin)
    {
        try
        {
            begin();
        }
#pragma warning disable CA1031 // A failure is a value: it belongs to the caller of Load.
        catch (Exception e)
#pragma warning restore CA1031
        {
            started.SetException(e);
            return;
        }

        started.SetResult();
        RunSteps();
    }

    private void RunSteps()
    {
        // The first request often follows the start at once, and should not find the copying begun.
        TimeSpan patience = FirstRequest;

        // Every step in the queue has announced itself or is about to, so only the end finds nothing to read.
        while (true)
        {
            if (!arrivals.Wait(IsRepacked ? Timeout.InfiniteTimeSpan : patience))
            {
                patience = TimeSpan.Zero;
                Repack();
                continue;
            }

            if (!queue.Reader.TryRead(out QueuedStep? queued)) return;
            Run(queued);
            if (!IsRepacked) Repack();
        }

        void Repack()
        {
            try
            {
                Volatile.Write(ref repacked, !forward.Repack());
            }
#pragma warning disable CA1031 // Whatever keeps the weights from moving, they serve where they lie.
            catch (Exception)
#pragma warning restore CA1031
            {
                Volatile.Write(ref repacked, true);
            }
        }
    }

    private void Run(QueuedStep queued)
    {
        // The buffer is back in the pool before the caller hears that the step is done.
        Volatile.Write(ref begun, queued.Step.Number);
        try
        {
            queued.CancellationToken.ThrowIfCancellationRequested();
            SampledTokens? sampled = Run(queued.Step, queued.HiddenStates);
            if (sampled is not null) queued.HiddenStates.Dispose();
            Interlocked.Decrement(ref steps);
            queued.Succeed(new StepOutput(sampled is null ? queued.HiddenStates : null, sampled));
        }
#pragma warning disable CA1031 // A failure is a value: whatever a step throws belongs to the caller of RunAsync.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Interlocked.Decrement(ref steps);
            queued.HiddenStates.Dispose();
            queued.Fail(e);
        }
    }

    private unsafe SampledTokens? Run(Step step, PinnedHiddenStates hiddenStates)
    {
        forward.Begin(step, hiddenStates);
        foreach ((_, HiddenStateLog log) in logs) log.Copy(step);

        // What goes into the first layer that computes comes from the range before; or, where it is not the first of this one, from a log.
        if (step.FirstLayer > FirstLayer && step.FirstLayer <= EndLayer && step.IsComputedBy(step.FirstLayer))
        {
            HiddenStateLog before = Log(step.FirstLayer) ?? throw new ArgumentException(
                $"Step {step.Epoch}.{step.Number} is read from a log before layer {step.FirstLayer}; this range keeps none.");
            before.Read(step, hiddenStates.Pointer);
        }

        int first = Math.Max(FirstLayer, step.FirstLayer);
        int end = Math.Min(EndLayer, step.EndLayer);
        foreach ((int layer, HiddenStateLog log) in logs)
        {
            if (layer <= first || layer > end) continue;
            forward.Compute(first, layer);
            log.Write(step, hiddenStates.Pointer);
            first = layer;
        }

        if (first < end) forward.Compute(first, end);
        return forward.Sample();
    }
}
