namespace Llama.Model.Layers;

/// <summary>
/// The compute seam: a range of layers loaded on one device, with its weights, its KV blocks and the buffers of its hidden states.
/// The range from layer 0 looks up the embeddings; the range to the last layer applies the output head and samples tokens.
/// </summary>
public interface ILayerRange : IAsyncDisposable
{
    /// <summary>First layer.</summary>
    int FirstLayer { get; }

    /// <summary>The layer after the last.</summary>
    int EndLayer { get; }

    /// <summary>Most tokens of a step, which its buffers are made for: up to <see cref="Step.MaxTokens"/>.</summary>
    int MaxStepTokens { get; }

    /// <summary>Bytes of weights that it holds or maps.</summary>
    long WeightBytes { get; }

    /// <summary>How far it is; any thread may ask, while steps run.</summary>
    RangeProgress Progress { get; }

    /// <summary>A buffer for the hidden states of a step, contents undefined.</summary>
    /// <param name="tokens">1 to <see cref="MaxStepTokens"/>.</param>
    HiddenStates RentHiddenStates(int tokens);

    /// <summary>
    /// Queues a step. Steps run and complete in the order of the calls; the next may be queued before this one is done. The task is
    /// awaited once, and its output disposed of.
    /// </summary>
    /// <param name="step">Not changed until the returned task completes.</param>
    /// <param name="hiddenStates">
    /// What the range before this one put out, owned by this call from now on; for the range from layer 0 a rented buffer to fill.
    /// </param>
    /// <param name="cancellationToken">Drops the step if it has not begun.</param>
    /// <exception cref="ArgumentException">The step does not fit the model or the range (in the task).</exception>
    ValueTask<StepOutput> RunAsync(Step step, HiddenStates hiddenStates, CancellationToken cancellationToken);

    /// <summary>
    /// Ends this range for another one of the same checkpoint, which takes over the weights, the KV blocks and the logs of the layers that
    /// both have. This range is disposed of, also when the other cannot be loaded.
    /// </summary>
    /// <param name="firstLayer">First layer of the other.</param>
    /// <param name="endLayer">The layer after its last.</param>
    /// <param name="kvBlocks">Blocks of 16 positions in every layer's pool.</param>
    /// <param name="logs">Layers that it keeps logs for, as a range that is loaded does.</param>
    /// <param name="carried">
    /// The blocks that go on, in the order of their new numbers; null when the numbers, and how many blocks there are, stay as they are.
    /// </param>
    /// <exception cref="Checkpoints.CheckpointException">A tensor is missing or wrong.</exception>
    /// <exception cref="ArgumentException">A block goes on that this range has not, or more than the other has room for.</exception>
    Task<ILayerRange> RepartitionAsync(
        int firstLayer, int endLayer, int kvBlocks, IReadOnlyList<int> logs, IReadOnlyList<int>? carried);
}
