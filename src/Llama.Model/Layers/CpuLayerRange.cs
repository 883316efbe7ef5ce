using System.Collections.Concurrent;
using System.Threading.Channels;
using Llama.Model.Checkpoints;
using Llama.Model.KeyValueCache;
using Llama.Model.Machine;
using Llama.Model.Weights;

namespace Llama.Model.Layers;

/// <summary>A layer range on the processor: one thread takes the steps from a bounded queue, a pool of workers helps with each.</summary>
public sealed class CpuLayerRange : ILayerRange
{
    private const int QueuedSteps = 16;
    private static readonly TimeSpan FirstRequest = TimeSpan.FromSeconds(0.5);

    private readonly ConcurrentBag<PinnedHiddenStates> hiddenPool = [];
    private readonly ConcurrentBag<QueuedStep> stepPool = [];
    private readonly Channel<QueuedStep> queue =
        Channel.CreateBounded<QueuedStep>(new BoundedChannelOptions(QueuedSteps) { SingleReader = true });

    // Waiting for the channel itself would allocate; this counts the steps in it, and the end.
    private readonly SemaphoreSlim arrivals = new(0);
    private readonly CpuForward forward;
    private readonly Source source;
    private readonly ModelConfig config;
    private readonly TaskCompletionSource started = new();
    private Task thread = Task.CompletedTask;
    private bool repacked;
    private int steps;
    private ulong begun;

    /// <summary>The logs and the layers that what they hold goes into, in order.</summary>
    private readonly (int Layer, HiddenStateLog Log)[] logs;

    private CpuLayerRange(CpuForward forward, (int Layer, HiddenStateLog Log)[] logs, Source source)
    {
        this.forward = forward;
        this.logs = logs;
        this.source = source;
        config = source.Checkpoint.Config;
    }

    /// <inheritdoc/>
    public int FirstLayer => forward.FirstLayer;

    /// <inheritdoc/>
    public int EndLayer => forward.EndLayer;

    /// <inheritdoc/>
    public int MaxStepTokens => CpuBuffers.MaxTokens;

    /// <inheritdoc/>
    public long WeightBytes => forward.WeightBytes;

    /// <summary>Bytes of weights that a step reads: all but the embeddings, of which it takes a row for each token.</summary>
    public long StepBytes => forward.StepBytes;

    /// <inheritdoc/>
    public RangeProgress Progress =>
        new(Volatile.Read(ref begun), forward.LayersDone, Volatile.Read(ref steps), forward.LayerTime);

    /// <summary>Whether the weights lie where products read them fastest; before, and between steps, they are copied there.</summary>
    public bool IsRepacked => Volatile.Read(ref repacked);

    /// <summary>Maps the weights of the layers <c>[firstLayer, endLayer)</c> and makes their KV pools.</summary>
    /// <param name="checkpoint">Stays open, and is used by nobody else, until the range is disposed of.</param>
    /// <param name="firstLayer">First layer.</param>
    /// <param name="endLayer">The layer after the last.</param>
    /// <param name="kvType">Type that keys and values are kept in, one of <see cref="KvTypes.All"/>.</param>
    /// <param name="kvBlocks">Blocks of 16 positions in every layer's pool.</param>
    /// <param name="threads">Compute threads, at least 1.</param>
    /// <param name="cores">Cores that the threads are pinned to, in order, at least one for each; null to pin none.</param>
    /// <param name="logs">
    /// Layers after the first, up to the one after the last if the model has that, for which it keeps the hidden states that go into them, so that they and those
    /// behind them can be rebuilt.
    /// </param>
    /// <exception cref="CheckpointException">A tensor is missing or wrong, or the model's heads cannot be kept in the KV type.</exception>
    /// <exception cref="IOException">The process may not use a core, or gets no thread.</exception>
    /// <exception cref="InvalidOperationException">The same, where several threads compute.</exception>
    public static CpuLayerRange Load(
        Checkpoint checkpoint, int firstLayer, int endLayer, ElementType kvType, int kvBlocks, int threads,
        IReadOnlyList<int>? cores = null, IReadOnlyList<int>? logs = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        if (cores is not null) ArgumentOutOfRangeException.ThrowIfLessThan(cores.Count, threads, nameof(cores));
        return Load(new Source(checkpoint, kvType, threads, cores), firstLayer, endLayer, kvBlocks, null, logs ?? [], _ => null);
    }

    /// <inheritdoc/>
    public async Task<ILayerRange> RepartitionAsync(
        int firstLayer, int endLayer, int kvBlocks, IReadOnlyList<int> logs, IReadOnlyList<int>? carried)
    {
        ArgumentNullException.ThrowIfNull(logs);
        await StopAsync().ConfigureAwait(false);
        try
        {
            CpuForward.CheckRange(config, firstLayer, endLayer, kvBlocks);
            int blocks = forward.KvBlocks;
            if (carried is null ? kvBlocks != blocks : carried.Count > kvBlocks || carried.Any(block => (uint)block >= (uint)blocks))
                throw new ArgumentException($"{carried?.Count ?? blocks} of {blocks} KV blocks cannot go on in a pool of {kvBlocks}.");
            KeptLayers kept = forward.Leave(source.Checkpoint, firstLayer, endLayer, kvBlocks, carried);
            return Load(source, firstLayer, endLayer, kvBlocks, kept, logs, layer => Log(layer)?.Repartition(kvBlocks, carried));
        }
        finally
        {
            Free();
        }
    }

    /// <inheritdoc/>
    public HiddenStates RentHiddenStates(int tokens) => PinnedHiddenStates.Rent(hiddenPool, tokens, config.Dim);

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
    }

    private static CpuLayerRange Load(
        Source source, int firstLayer, int endLayer, int kvBlocks, KeptLayers? before, IReadOnlyList<int> logs,
        Func<int, HiddenStateLog?> kept)
    {
        int last = Math.Min(endLayer, source.Checkpoint.Config.Layers - 1);
        if (logs.Any(layer => layer <= firstLayer || layer > last))
        {
            throw new ArgumentOutOfRangeException(
                nameof(logs), string.Join(", ", logs), $"expected layers of {firstLayer + 1} to {last}");
        }

        var forward = new CpuForward(source.Checkpoint, firstLayer, endLayer, source.KvType, kvBlocks, source.Threads, before);
        int dim = source.Checkpoint.Config.Dim;
        IEnumerable<(int Layer, HiddenStateLog Log)> all =
            logs.Distinct().Order().Select(layer => (layer, kept(layer) ?? new HiddenStateLog(dim, kvBlocks)));
        var range = new CpuLayerRange(forward, [.. all], source);
        try
        {
            range.thread = OwnThread.Start($"layers {firstLayer}-{endLayer}", () => range.Work(source.Cores));
            range.started.Task.GetAwaiter().GetResult();
            return range;
        }
        catch
        {
            range.Free();
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

    private void Work(IReadOnlyList<int>? cores)
    {
        try
        {
            if (cores is not null) forward.PinThreads(cores);
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

    /// <summary>What a range is loaded from and computes with.</summary>
    private sealed record Source(Checkpoint Checkpoint, ElementType KvType, int Threads, IReadOnlyList<int>? Cores);
}
