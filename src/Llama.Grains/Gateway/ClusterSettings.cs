using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Grains.Text;
using Llama.Model;

namespace Llama.Grains.Gateway;

/// <summary>What a gateway grain is started with.</summary>
public sealed record ClusterSettings
{
    /// <summary>The model's name, as clients see it.</summary>
    public required string ModelName { get; init; }

    /// <summary>The model.</summary>
    public required ModelConfig Config { get; init; }

    /// <summary>Bytes of one stored weight, for predictions; blocks share scales, so not a whole number.</summary>
    public required double ElementBytes { get; init; }

    /// <summary>Name, fingerprint and key of this process.</summary>
    public required LinkIdentity Identity { get; init; }

    /// <summary>Makes the grammars of answers.</summary>
    public required Grammars Grammars { get; init; }

    /// <summary>Pipelines to make.</summary>
    public int Replicas { get; init; } = 1;

    /// <summary>Silos to wait for before the first plan.</summary>
    public int ExpectedSilos { get; init; } = 1;

    /// <summary>How long to wait for so many silos, at the start and after a loss, before making do with fewer.</summary>
    public TimeSpan SiloWait { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>The layer ranges of every pipeline, or null to plan them.</summary>
    public IReadOnlyList<LayerSpan>? Ranges { get; init; }

    /// <summary>Most bytes of KV that a stage may take.</summary>
    public long KvMemory { get; init; } = 1L << 30;

    /// <summary>Bounds on what each replica takes on.</summary>
    public SchedulerLimits Limits { get; init; } = new();
}
