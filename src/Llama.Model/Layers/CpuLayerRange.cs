using System.Collections.Concurrent;
using System.Threading.Channels;
using Llama.Model.Checkpoints;
using Llama.Model.KeyValueCache;
using Llama.Model.Weights;

namespace Llama.Model.Layers;

/// <summary>A layer range on the processor: one thread takes the steps from a bounded queue, a pool of workers helps with each.</summary>
public sealed class CpuLayerRange : ILayerRange
{
    private const int QueuedSteps = 16;

    private readonly ConcurrentBag<PinnedHiddenStates> hiddenPool = [];
    private readonly ConcurrentBag<QueuedStep> stepPool = [];
    private readonly Channel<QueuedStep> queue =
        Channel.CreateBounded<QueuedStep>(new BoundedChannelOptions(QueuedSteps) { SingleReader = true });

    // Waiting for the channel itself would allocate; this counts the steps in it, and the end.
    private readonly SemaphoreSlim arrivals = new(0);
    private readonly CpuForward forward;
    private readonly ModelConfig config;
    private readonly TaskCompletionSource started = new();
    private readonly Thread thread;
    private bool settled;
    private int steps;
    private ulong begun;

    private readonly HiddenStateLog? log;

    private CpuLayerRange(CpuForward forward, HiddenStateLog? log, ModelConfig config, IReadOnlyList<int>? cores)
    {
        this.forward = forward;
        this.log = log;
        this.config = config;
        thread = new Thread(() => Work(cores)) { IsBackground = true, Name = $"layers {FirstLayer}-{EndLayer}" };
        thread.Start();
    }

    /// <inheritdoc/>
    public int FirstLayer => forward.FirstLayer;

    /// <inheritdoc/>
    public int EndLayer => forward.EndLayer;

    /// <inheritdoc/>
    public long WeightBytes => forward.WeightBytes;

    /// <inheritdoc/>
    public RangeProgress Progress =>
        new(Volatile.Read(ref begun), forward.LayersDone, Volatile.Read(ref steps), forward.LayerTime);

    /// <summary>Whether the weights lie where products read them fastest; before, and between steps, they are copied there.</summary>
    public bool IsSettled => Volatile.Read(ref settled);

    /// <summary>Bytes of KV that one block takes in a range of this many layers.</summary>
    public static long KvBlockBytes(ModelConfig config, ElementType kvType, int layers) => KvCache.BlockBytes(config, kvType) * layers;

    /// <summary>Bytes that one KV block takes in the log of a range's hidden states.</summary>
    public static long LogBlockBytes(ModelConfig config) => HiddenStateLog.BlockBytes(config.Dim);

    /// <summary>Bytes of the intermediate results of a range's largest step.</summary>
    public static long ActivationBytes(ModelConfig config) => CpuBuffers.Bytes(config);

    /// <summary>Maps the weights of the layers <c>[firstLayer, endLayer)</c> and makes their KV pools.</summary>
    /// <param name="checkpoint">Stays open, and is used by nobody else, until the range is disposed of.</param>
    /// <param name="firstLayer">First layer.</param>
    /// <param name="endLayer">The layer after the last.</param>
    /// <param name="kvType">Type that keys and values are kept in, one of <see cref="KvTypes.All"/>.</param>
    /// <param name="kvBlocks">Blocks of 16 positions in every layer's pool.</param>
    /// <param name="threads">Compute threads, at least 1.</param>
    /// <param name="cores">Cores that the threads are pinned to, in order, at least one for each; null to pin none.</param>
    /// <param name="keepsLog">Whether it keeps the hidden states that it puts out, so that the next range can be rebuilt.</param>
    /// <exception cref="CheckpointException">A tensor is missing or wrong, or the model's heads cannot be kept in the KV type.</exception>
    /// <exception cref="IOException">The process may not use a core.</exception>
    /// <exception cref="InvalidOperationException">The same, where several threads compute.</exception>
    public static CpuLayerRange Load(
        Checkpoint checkpoint, int firstLayer, int endLayer, ElementType kvType, int kvBlocks, int threads,
        IReadOnlyList<int>? cores = null, bool keepsLog = false)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        if (cores is not null) ArgumentOutOfRangeException.ThrowIfLessThan(cores.Count, threads, nameof(cores));
        var forward = new CpuForward(checkpoint, firstLayer, endLayer, kvType, kvBlocks, threads);
        HiddenStateLog? log = keepsLog ? new HiddenStateLog(checkpoint.Config.Dim, kvBlocks) : null;
        var range = new CpuLayerRange(forward, log, checkpoint.Config, cores);
        try
        {
            range.started.Task.GetAwaiter().GetResult();
        }
        catch
        {
            forward.Dispose();
            log?.Dispose();
            throw;
        }

        return range;
    }

    /// <inheritdoc/>
    public HiddenStates RentHiddenStates(int tokens) => PinnedHiddenStates.Rent(hiddenPool, tokens, config.Dim);

    /// <inheritdoc/>
    /// <remarks>Whoever awaits goes on in the thread that computes, and must not block it.</remarks>
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
        if (queue.Writer.TryComplete()) arrivals.Release();
        await Task.Run(thread.Join).ConfigureAwait(false);
        forward.Dispose();
        log?.Dispose();
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
        // Every step in the queue has announced itself or is about to, so only the end finds nothing to read.
        while (true)
        {
            if (!IsSettled) Volatile.Write(ref settled, !forward.Settle());
            if (!arrivals.Wait(IsSettled ? Timeout.Infinite : 0)) continue;
            if (!queue.Reader.TryRead(out QueuedStep? queued)) return;
            Run(queued);
        }
    }

    private void Run(QueuedStep queued)
    {
        // The buffer is back in the pool before the caller hears that the step is done.
        Volatile.Write(ref begun, queued.Step.Number);
        try
        {
            queued.CancellationToken.ThrowIfCancellationRequested();
            DrawnTokens? drawn = Run(queued.Step, queued.HiddenStates);
            if (drawn is not null) queued.HiddenStates.Dispose();
            Interlocked.Decrement(ref steps);
            queued.Succeed(new StepOutput(drawn is null ? queued.HiddenStates : null, drawn));
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

    private unsafe DrawnTokens? Run(Step step, PinnedHiddenStates hiddenStates)
    {
        bool computes = step.IsComputedBy(FirstLayer);
        if (computes != step.IsComputedBy(EndLayer - 1))
        {
            throw new ArgumentException(
                $"Step {step.Epoch}.{step.Number} is for layers {step.FirstLayer} to {step.EndLayer}, which cut this range.");
        }

        if (computes)
        {
            DrawnTokens? drawn = forward.Run(step, hiddenStates);
            log?.Write(step, hiddenStates.Pointer);
            return drawn;
        }

        forward.Pass(step, hiddenStates);
        log?.Copy(step);
        if (EndLayer == config.Layers) return new DrawnTokens();
        if (!step.IsComputedBy(EndLayer)) return null;
        if (log is null) throw new ArgumentException($"Step {step.Epoch}.{step.Number} is read from a log; this range keeps none.");
        log.Read(step, hiddenStates.Pointer);
        return null;
    }
}
