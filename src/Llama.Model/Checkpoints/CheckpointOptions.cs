using Llama.Model.Weights;

namespace Llama.Model.Checkpoints;

/// <summary>What a user may set over what a checkpoint says or leaves open.</summary>
public sealed record CheckpointOptions
{
    /// <summary>Context length in tokens (<c>--context</c>), or null for the checkpoint's own.</summary>
    public int? ContextLength { get; init; }

    /// <summary>Factor of Llama 3.1's rotary scaling (<c>--rope-factor</c>), or null for the checkpoint's own.</summary>
    public float? RopeFactor { get; init; }

    /// <summary>Types that matrices are rounded to when they are opened (<c>--weights</c>), or null to have them as they are stored.</summary>
    public WeightMix? Weights { get; init; }

    /// <summary>Threads to round them on.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
}
