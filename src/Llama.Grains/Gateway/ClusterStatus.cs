namespace Llama.Grains.Gateway;

/// <summary>What is where: the body of <c>GET /cluster</c>.</summary>
public sealed record ClusterStatus
{
    /// <summary>Counts the plans: a higher epoch replaced a lower one. 0 before the first.</summary>
    public required ulong Epoch { get; init; }

    /// <summary>The model's name.</summary>
    public required string Model { get; init; }

    /// <summary>Whether a request would be answered now.</summary>
    public required bool Ready { get; init; }

    /// <summary>Why not, in a sentence; null when ready.</summary>
    public string? Reason { get; init; }

    /// <summary>Longest sequence in tokens, prompt included, that can be served.</summary>
    public required int MaxSequenceTokens { get; init; }

    /// <summary>The pipelines, one a replica.</summary>
    public required IReadOnlyList<PipelineStatus> Pipelines { get; init; }

    /// <summary>Names of silos that hold no layers and wait to be needed.</summary>
    public required IReadOnlyList<string> Standby { get; init; }

    /// <summary>Names of silos that were drained: they get no layers, until they are started again or taken back.</summary>
    public IReadOnlyList<string> Drained { get; init; } = [];
}

/// <summary>One replica of the model.</summary>
public sealed record PipelineStatus
{
    /// <summary>Its number, from 0.</summary>
    public required int Replica { get; init; }

    /// <summary>Its stages, first layers first.</summary>
    public required IReadOnlyList<StageStatus> Stages { get; init; }

    /// <summary>
    /// The numeric profile that its stages compute in, one for all: device class and revision, the promise of backends that make different ones,
    /// weight type, KV type; null while there is no pipeline.
    /// </summary>
    public string? Profile { get; init; }

    /// <summary>Sequences that hold blocks.</summary>
    public required int Running { get; init; }

    /// <summary>Sequences that wait for blocks.</summary>
    public required int Waiting { get; init; }

    /// <summary>KV blocks of each stage; 0 while there is no pipeline.</summary>
    public required int Blocks { get; init; }

    /// <summary>Those of them that no sequence holds: all, when nothing runs.</summary>
    public required int FreeBlocks { get; init; }

    /// <summary>Tokens that were sampled since the gateway started.</summary>
    public required long SampledTokens { get; init; }
}

/// <summary>One layer range in its place.</summary>
public sealed record StageStatus
{
    /// <summary>The silo's name.</summary>
    public required string Silo { get; init; }

    /// <summary>Where its links listen, <c>host:port</c>.</summary>
    public required string Address { get; init; }

    /// <summary>The silo's process id on its machine.</summary>
    public required int ProcessId { get; init; }

    /// <summary>First layer, and the one after the last.</summary>
    public required IReadOnlyList<int> Layers { get; init; }

    /// <summary>Bytes of weights that the stage holds; 0 until loaded.</summary>
    public required long WeightBytes { get; init; }

    /// <summary><c>loading</c>, <c>ready</c> or <c>lost</c>.</summary>
    public required string State { get; init; }
}
