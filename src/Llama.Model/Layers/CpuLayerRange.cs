using System.Collections.Concurrent;
using System.Threading.Channels;
using Llama.Model.Checkpoints;
using Llama.Model.KeyValueCache;

namespace Llama.Model.Layers;

/// <summary>A layer range on the processor: one thread takes the steps from a bounded queue, a pool of workers helps with each.</summary>
public sealed class CpuLayerRange : ILayerRange
{
    private const int QueuedSteps = 16;

    private readonly ConcurrentBag<PinnedHiddenStates> hiddenPool = [];
    private readonly Channel<QueuedStep> queue =
        Channel.CreateBounded<QueuedStep>(new BoundedChannelOptions(QueuedSteps) { SingleReader = true });

    private readonly CpuForward forward;
    private readonly ModelConfig config;
    private readonly Thread thread;

    private CpuLayerRange(CpuForward forward, ModelConfig config)
    {
        this.forward = forward;
        this.config = config;
        thread = new Thread(RunSteps) { IsBackground = true, Name = $"layers {FirstLayer}-{EndLayer}" };
        thread.Start();
    }

    /// <inheritdoc/>
    public int FirstLayer => forward.FirstLayer;

    /// <inheritdoc/>
    public int EndLayer => forward.EndLayer;

    /// <inheritdoc/>
    public long WeightBytes => forward.WeightBytes;

    /// <summary>Bytes of KV that one block takes in a range of this many layers.</summary>
    public static long KvBlockBytes(ModelConfig config, int layers) => KvCache.BlockBytes(config) * layers;

    /// <summary>Maps the weights of the layers <c>[firstLayer, endLayer)</c> and makes their KV pools.</summary>
    /// <param name="checkpoint">Stays open, and is used by nobody else, until the range is disposed of.</param>
    /// <param name="firstLayer">First layer.</param>
    /// <param name="endLayer">The layer after the last.</param>
    /// <param name="kvBlocks">Blocks of 16 positions in every layer's pool.</param>
    /// <param name="threads">Compute threads, at least 1.</param>
    /// <exception cref="CheckpointException">A tensor is missing or wrong.</exception>
    public static CpuLayerRange Load(Checkpoint checkpoint, int firstLayer, int endLayer, int kvBlocks, int threads)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        return new CpuLayerRange(new CpuForward(checkpoint, firstLayer, endLayer, kvBlocks, threads), checkpoint.Config);
    }

    /// <inheritdoc/>
    public HiddenStates RentHiddenStates(int tokens) => PinnedHiddenStates.Rent(hiddenPool, tokens, config.Dim);

    /// <inheritdoc/>
    public async Task<StepOutput> RunAsync(Step step, HiddenStates hiddenStates, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(step);
        var queued = new QueuedStep(step, (PinnedHiddenStates)hiddenStates, cancellationToken);
        try
        {
            await queue.Writer.WriteAsync(queued, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            hiddenStates.Dispose();
            throw;
        }

        return await queued.Completion.Task.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        queue.Writer.TryComplete();
        await Task.Run(thread.Join).ConfigureAwait(false);
        forward.Dispose();
    }

    private void RunSteps()
    {
        ChannelReader<QueuedStep> reader = queue.Reader;
        while (WaitForStep(reader))
        {
            while (reader.TryRead(out QueuedStep? queued)) Run(queued);
        }
    }

    private static bool WaitForStep(ChannelReader<QueuedStep> reader)
    {
        ValueTask<bool> waiting = reader.WaitToReadAsync();
        return waiting.IsCompleted ? waiting.Result : waiting.AsTask().GetAwaiter().GetResult();
    }

    private void Run(QueuedStep queued)
    {
        // The buffer is back in the pool before the caller hears that the step is done.
        try
        {
            queued.CancellationToken.ThrowIfCancellationRequested();
            DrawnToken[]? drawn = forward.Run(queued.Step, queued.HiddenStates);
            if (drawn is not null) queued.HiddenStates.Dispose();
            queued.Completion.SetResult(new StepOutput(drawn is null ? queued.HiddenStates : null, drawn));
        }
#pragma warning disable CA1031 // A failure is a value: whatever a step throws belongs to the caller of RunAsync.
        catch (Exception e)
#pragma warning restore CA1031
        {
            queued.HiddenStates.Dispose();
            queued.Completion.SetException(e);
        }
    }

    private sealed record QueuedStep(Step Step, PinnedHiddenStates HiddenStates, CancellationToken CancellationToken)
    {
        public TaskCompletionSource<StepOutput> Completion { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
