using Llama.Model.Checkpoints;
using Llama.Model.KeyValueCache;
using Llama.Model.Weights;

namespace Llama.Model.Layers;

/// <summary>A layer range on the processor: a pool of workers helps with each step.</summary>
public sealed class CpuLayerRange : QueuedLayerRange
{
    private readonly CpuForward forward;
    private readonly Source source;

    private CpuLayerRange(CpuForward forward, IEnumerable<(int Layer, HiddenStateLog? Kept)> logs, Source source)
        : base(source.Checkpoint.Config, forward, logs, CpuBuffers.MaxTokens)
    {
        this.forward = forward;
        this.source = source;
    }

    /// <summary>Bytes of weights that a step reads: all but the embeddings, of which it takes a row for each token.</summary>
    public long StepBytes => forward.StepBytes;

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
        IEnumerable<(int, HiddenStateLog?)> layers =
            CheckLogs(checkpoint.Config, firstLayer, endLayer, logs ?? []).Select(layer => (layer, (HiddenStateLog?)null));
        return Load(new Source(checkpoint, kvType, threads, cores), firstLayer, endLayer, kvBlocks, null, layers);
    }

    /// <inheritdoc/>
    private protected override ILayerRange Continue(
        int firstLayer, int endLayer, int kvBlocks, IEnumerable<(int Layer, HiddenStateLog? Kept)> logs, IReadOnlyList<int>? carried)
    {
        KeptLayers kept = forward.Leave(source.Checkpoint, firstLayer, endLayer, kvBlocks, carried);
        return Load(source, firstLayer, endLayer, kvBlocks, kept, logs);
    }

    private static CpuLayerRange Load(
        Source source, int firstLayer, int endLayer, int kvBlocks, KeptLayers? before, IEnumerable<(int Layer, HiddenStateLog? Kept)> logs)
    {
        var forward = new CpuForward(source.Checkpoint, firstLayer, endLayer, source.KvType, kvBlocks, source.Threads, before);
        var range = new CpuLayerRange(forward, logs, source);
        range.Start(() =>
        {
            if (source.Cores is not null) forward.PinThreads(source.Cores);
        });
        return range;
    }

    /// <summary>What a range is loaded from and computes with.</summary>
    private sealed record Source(Checkpoint Checkpoint, ElementType KvType, int Threads, IReadOnlyList<int>? Cores);
}
