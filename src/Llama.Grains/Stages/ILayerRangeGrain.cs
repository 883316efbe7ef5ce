
namespace Llama.Grains.Stages;

/// <summary>The layers on a device, for one model at a time. Its key is <c>silo/device</c>.</summary>
[Alias("llama.ILayerRangeGrain")]
public interface ILayerRangeGrain : IGrainWithStringKey
{
    /// <summary>Tells what the silo offers, and where its links listen.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    [Alias("Describe")]
    Task<Member> DescribeAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Takes a place in a plan: drops whatever an older epoch left unfinished, loads those of the layers that are not loaded already, and
    /// takes steps of this epoch only from then on. When it returns, no step of an older epoch runs any more.
    /// </summary>
    /// <param name="assignment">The place.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="StageException">The stage cannot hold the layers; the message says why.</exception>
    [Alias("Load"), ResponseTimeout("00:10:00")]
    Task<StageReport> LoadAsync(StageAssignment assignment, CancellationToken cancellationToken);

    /// <summary>Notes whether the silo is drained, for gateways that come later.</summary>
    /// <param name="mark">Whether it is.</param>
    /// <param name="cancellationToken">Gives up.</param>
    [Alias("Mark")]
    Task MarkAsync(DrainMark mark, CancellationToken cancellationToken);
}

/// <summary>Whether a silo is drained.</summary>
/// <param name="Instance">The process that is meant; another takes no notice.</param>
/// <param name="Drained">Whether it gets no layers.</param>
[GenerateSerializer, Immutable, Alias("llama.drain-mark")]
public sealed record DrainMark([property: Id(0)] string Instance, [property: Id(1)] bool Drained);

/// <summary>A stage's place in a plan.</summary>
[GenerateSerializer, Immutable, Alias("llama.stage-assignment")]
public sealed record StageAssignment
{
    /// <summary>The plan.</summary>
    [Id(0)]
    public required ulong Epoch { get; init; }

    /// <summary>First layer.</summary>
    [Id(1)]
    public required int FirstLayer { get; init; }

    /// <summary>The layer after the last.</summary>
    [Id(2)]
    public required int EndLayer { get; init; }

    /// <summary>Blocks in every layer's KV pool.</summary>
    [Id(3)]
    public required int KvBlocks { get; init; }

    /// <summary>Layers for which it keeps the hidden states that go into them, so that they and those behind can be rebuilt.</summary>
    [Id(4)]
    public IReadOnlyList<int> Logs { get; init; } = [];

    /// <summary>The epoch in which the KV blocks got these numbers: a pipeline that follows a lost one may go on with its blocks.</summary>
    [Id(5)]
    public ulong Lineage { get; init; }

    /// <summary>The lineage of the blocks that the stage is asked to go on with; 0 for none.</summary>
    [Id(6)]
    public ulong Inherits { get; init; }

    /// <summary>
    /// The blocks that go on, in the order of their new numbers; null when the numbers, and how many there are, stay as they are.
    /// </summary>
    [Id(7)]
    public IReadOnlyList<int>? Carried { get; init; }

    /// <summary>Where the next stage listens; null for the last.</summary>
    [Id(8)]
    public string? NextAddress { get; init; }

    /// <summary>A random number that links to the stage are opened with.</summary>
    [Id(9)]
    public required Guid Ticket { get; init; }

    /// <summary>The ticket of the next stage; all zeros for the last.</summary>
    [Id(10)]
    public Guid NextTicket { get; init; }

    /// <summary>The silo, and which incarnation, that owns the pipeline; null where it is no member of a cluster.</summary>
    [Id(11)]
    public SiloAddress? Owner { get; init; }
}

/// <summary>A stage that is ready for steps.</summary>
/// <param name="WeightBytes">Bytes of weights that it holds or maps.</param>
/// <param name="KeptFirst">First of its layers that still have the blocks that it was asked for.</param>
/// <param name="KeptEnd">The layer after the last of them; not above the first when there are none.</param>
/// <param name="KeptLogs">Layers whose logs it still has.</param>
/// <param name="AppliedStep">The last step that it applied to them. Later ones of older epochs were dropped, and never run.</param>
/// <param name="MaxStepTokens">Most tokens of a step.</param>
[GenerateSerializer, Immutable, Alias("llama.stage-report")]
public sealed record StageReport(
    [property: Id(0)] long WeightBytes, [property: Id(1)] int KeptFirst, [property: Id(2)] int KeptEnd,
    [property: Id(3)] IReadOnlyList<int> KeptLogs, [property: Id(4)] ulong AppliedStep,
    [property: Id(5)] int MaxStepTokens);
