namespace Llama.Grains.Scheduling;

/// <summary>Bounds on what the scheduler of a replica takes on.</summary>
public sealed record SchedulerLimits
{
    /// <summary>Requests that may wait.</summary>
    public int MaxWaiting { get; init; } = 256;

    /// <summary>Tokens of requests that may wait; a single request may always.</summary>
    public int MaxWaitingTokens { get; init; } = 1 << 22;

    /// <summary>The part of <see cref="MaxWaiting"/> that one client may have, percent.</summary>
    public int ClientShare { get; init; } = 50;

    /// <summary>How long a request waits for a pipeline.</summary>
    public TimeSpan RecoveryTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Tokens of a step; null to choose from measured times.</summary>
    public int? StepTokens { get; init; }

    /// <summary>Requests that one client may have waiting.</summary>
    public int MaxWaitingOfClient => (int)Math.Max(1, (long)MaxWaiting * ClientShare / 100);
}
