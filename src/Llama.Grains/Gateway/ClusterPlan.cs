using Llama.Model.Kernels;

namespace Llama.Grains.Gateway;

/// <summary>What the plan was made from, and why it is as it is: the body of <c>GET /cluster/plan</c>.</summary>
public sealed record ClusterPlan
{
    /// <summary>Counts the plans: a higher epoch replaced a lower one. 0 before the first.</summary>
    public required ulong Epoch { get; init; }

    /// <summary>The model's name.</summary>
    public required string Model { get; init; }

    /// <summary>Layers of the model.</summary>
    public required int Layers { get; init; }

    /// <summary>Bytes that the model needs as a whole, with the least of KV that is planned for.</summary>
    public required long NeededBytes { get; init; }

    /// <summary>The pipelines, one a replica.</summary>
    public required IReadOnlyList<PlannedPipeline> Pipelines { get; init; }

    /// <summary>Silos that hold no layers and wait to be needed.</summary>
    public required IReadOnlyList<OfferedSilo> Standby { get; init; }

    /// <summary>Silos that get no layers, because they were drained.</summary>
    public required IReadOnlyList<OfferedSilo> Drained { get; init; }

    /// <summary>Silos that may not be planned with and why, a sentence each.</summary>
    public required IReadOnlyList<string> Refused { get; init; }
}

/// <summary>The plan of one replica.</summary>
public sealed record PlannedPipeline
{
    /// <summary>Its number, from 0.</summary>
    public required int Replica { get; init; }

    /// <summary>Where the cut of the layers comes from: <c>planner</c>, or <c>--ranges</c>.</summary>
    public required string CutBy { get; init; }

    /// <summary>
    /// Where the silos' speeds come from: <c>start</c>, what each measured when it started, or <c>steps</c>, corrected by the times of the
    /// stages before; null without a pipeline.
    /// </summary>
    public string? SpeedFrom { get; init; }

    /// <summary>Blocks in every stage's KV pool, each of 16 positions.</summary>
    public required int KvBlocks { get; init; }

    /// <summary>Its stages, first layers first.</summary>
    public required IReadOnlyList<ExplainedStage> Stages { get; init; }

    /// <summary>The silo whose stage is the slowest, by prediction; null without a pipeline.</summary>
    public string? SlowestStage { get; init; }

    /// <summary>Predicted time of the slowest stage for a token that is decoded.</summary>
    public double PredictedDecodeSeconds { get; init; }

    /// <summary>What it would be if the layers could be divided exactly by the silos' speeds.</summary>
    public double IdealDecodeSeconds { get; init; }

    /// <summary>Measured time of a step that only decodes, at the slowest stage; null before there is one.</summary>
    public double? MeasuredDecodeSeconds { get; init; }

    /// <summary>Measured time that each token of a prompt adds to a step, at the slowest stage; null before there is one.</summary>
    public double? MeasuredPromptTokenSeconds { get; init; }

    /// <summary>Why it has no pipeline; null when it has one.</summary>
    public string? Reason { get; init; }

    /// <summary>Bytes that are missing, if the last plan did not fit the silos' memory.</summary>
    public long? MissingBytes { get; init; }
}

/// <summary>A stage and what it takes of its silo.</summary>
public sealed record ExplainedStage
{
    /// <summary>The silo's name.</summary>
    public required string Silo { get; init; }

    /// <summary>First layer, and the one after the last.</summary>
    public required IReadOnlyList<int> Layers { get; init; }

    /// <summary>The silo's compute threads.</summary>
    public required int Threads { get; init; }

    /// <summary>What the silo measured when it started.</summary>
    public required MachineRates MeasuredRates { get; init; }

    /// <summary>What the plan counts on: rates that are alike are made equal.</summary>
    public required MachineRates PlannedRates { get; init; }

    /// <summary>Bytes of memory that the silo offers.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Bytes of weights.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>Bytes of KV.</summary>
    public required long KvBytes { get; init; }

    /// <summary>Bytes of the log of hidden states; 0 when the stage keeps none.</summary>
    public required long LogBytes { get; init; }

    /// <summary>Bytes of the intermediate results of a step.</summary>
    public required long ActivationBytes { get; init; }

    /// <summary>Predicted time for a token that is decoded.</summary>
    public required double PredictedDecodeSeconds { get; init; }

    /// <summary>Predicted time that a token of a prompt adds.</summary>
    public required double PredictedPromptTokenSeconds { get; init; }

    /// <summary>Mean time of a layer in the steps of the last minute or so; null before all stages have worked for ten seconds.</summary>
    public double? MeasuredLayerSeconds { get; init; }
}

/// <summary>What a silo without layers offers.</summary>
/// <param name="Silo">Its name.</param>
/// <param name="Threads">Its compute threads.</param>
/// <param name="MeasuredRates">What it measured when it started.</param>
/// <param name="MemoryBytes">Bytes that weights and KV may take.</param>
/// <param name="LogMemoryBytes">Bytes of that memory that a log of hidden states may take.</param>
/// <param name="Profile">The numeric profile that it computes in.</param>
public sealed record OfferedSilo(
    string Silo, int Threads, MachineRates MeasuredRates, long MemoryBytes, long LogMemoryBytes, string Profile);
