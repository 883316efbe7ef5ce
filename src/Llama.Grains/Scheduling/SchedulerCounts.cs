namespace Llama.Grains.Scheduling;

/// <summary>What a scheduler has and has done, at some moment.</summary>
internal readonly record struct SchedulerCounts
{
    /// <summary>Sequences that hold blocks.</summary>
    public int Running { get; init; }

    /// <summary>Sequences that wait for blocks or a pipeline.</summary>
    public int Waiting { get; init; }

    /// <summary>Blocks that no sequence holds.</summary>
    public int FreeBlocks { get; init; }

    /// <summary>Those of them whose contents are still known.</summary>
    public int CachedBlocks { get; init; }

    /// <summary>Tokens of prompts, each counted when the first token after it was sampled.</summary>
    public long PromptTokens { get; init; }

    /// <summary>Those of them that were in the cache.</summary>
    public long CachedPromptTokens { get; init; }

    /// <summary>Tokens that were sampled.</summary>
    public long SampledTokens { get; init; }

    /// <summary>How often a sequence has lost its blocks to another.</summary>
    public long Preemptions { get; init; }

    /// <summary>Pipelines that were lost, those that ended on purpose not counted.</summary>
    public long Losses { get; init; }

    /// <summary>Time with steps in flight.</summary>
    public TimeSpan ActiveTime { get; init; }
}
