namespace Llama.Grains.Stages;

/// <summary>A stage: one layer range of one pipeline, on the silo that hosts it. Its key names the device.</summary>
public interface ILayerRangeGrain
{
    /// <summary>
    /// Takes a place in a plan: drops whatever an older epoch left unfinished, loads those of the layers that are not loaded already, and
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

    /// <summary>Layers for which it keeps the hidden states that go into them, so that they and those behind can be rebuilt.</summary>
    public IReadOnlyList<int> Logs { get; init; } = [];

    /// <summary>The epoch in which the KV blocks got these numbers: a pipeline that follows a lost one may go on with its blocks.</summary>
    public ulong Lineage { get; init; }

    /// <summary>The lineage of the blocks that the stage is asked to go on with; 0 for none.</summary>
    public ulong Inherits { get; init; }

    /// <summary>
    /// The blocks that go on, in the order of their new numbers; null when the numbers, and how many there are, stay as they are.
    /// </summary>
    public IReadOnlyList<int>? Carried { get; init; }

    /// <summary>Where the next stage listens; null for the last.</summary>
    public string? NextAddress { get; init; }
}

/// <summary>A stage that is ready for steps.</summary>
/// <param name="WeightBytes">Bytes of weights that it holds or maps.</param>
/// <param name="KeptFirst">First of its layers that still have the blocks that it was asked for.</param>
/// <param name="KeptEnd">The layer after the last of them; not above the first when there are none.</param>
/// <param name="KeptLogs">Layers whose logs it still has.</param>
/// <param name="AppliedStep">The last step that it applied to them. Later ones of older epochs were dropped, and never run.</param>
public sealed record StageReport(
    long WeightBytes, int KeptFirst, int KeptEnd, IReadOnlyList<int> KeptLogs, ulong AppliedStep);
