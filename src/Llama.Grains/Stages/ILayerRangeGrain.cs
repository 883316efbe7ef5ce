namespace Llama.Grains.Stages;

/// <summary>A stage: one layer range of one pipeline, on the silo that hosts it. Its key names the device.</summary>
public interface ILayerRangeGrain
{
    /// <summary>
    /// Takes a place in a plan: drops whatever an older epoch left unfinished, loads the layers unless they are loaded already, and
    /// takes steps of this epoch only from then on. When it returns, no step of an older epoch runs any more.
    /// </summary>
    /// <param name="assignment">The place.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task<StageReport> LoadAsync(StageAssignment assignment, CancellationToken cancellationToken);
}

/// <summary>A stage's place in a plan.</summary>
public sealed record StageAssignment
{
    /// <summary>The plan.</summary>
    public required ulong Epoch { get; init; }

    /// <summary>First layer.</summary>
    public required int FirstLayer { get; init; }

    /// <summary>The layer after the last.</summary>
    public required int EndLayer { get; init; }

    /// <summary>Blocks in every layer's KV pool.</summary>
    public required int KvBlocks { get; init; }

    /// <summary>Whether it keeps the hidden states that it sends on, so that the next stage can be rebuilt.</summary>
    public bool KeepsLog { get; init; }

    /// <summary>
    /// The epoch in which these KV blocks were first handed out: a pipeline that follows a lost one may go on with its blocks.
    /// </summary>
    public ulong Lineage { get; init; }

    /// <summary>Whether the stage is asked for the blocks that it has of this lineage; one that is new to it has none.</summary>
    public bool Keeps { get; init; }

    /// <summary>Where the next stage listens; null for the last.</summary>
    public string? NextAddress { get; init; }
}

/// <summary>A stage that is ready for steps.</summary>
/// <param name="WeightBytes">Bytes of weights that it holds or maps.</param>
/// <param name="Kept">Whether it still has the blocks that it was asked for.</param>
/// <param name="AppliedStep">The last step that it applied to them. Later ones of older epochs were dropped, and never run.</param>
public sealed record StageReport(long WeightBytes, bool Kept = false, ulong AppliedStep = 0);
