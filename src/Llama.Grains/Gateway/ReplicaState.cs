using Llama.Grains.Placement;

namespace Llama.Grains.Gateway;

/// <summary>What a replica is doing, and what belongs to it while it does. <see cref="ReplicaMachine"/> has the transitions.</summary>
internal abstract record ReplicaState;

/// <summary>It has no pipeline: silos are missing, the last plan failed, or another process owns the pipelines.</summary>
/// <param name="History">What is left of the pipelines before.</param>
/// <param name="Reason">What it waits for, in a sentence.</param>
/// <param name="Misfit">Why the layers did not fit when they were planned last; null when they did.</param>
internal sealed record Waiting(ReplicaHistory History, string Reason, PlacementException? Misfit = null) : ReplicaState;

/// <summary>It has a pipeline.</summary>
/// <param name="Pipeline">The pipeline.</param>
/// <param name="Opened">Ends when its opening has, whether it works or not.</param>
internal abstract record WithPipeline(Pipeline Pipeline, Task Opened) : ReplicaState;

/// <summary>The silos load their layers, and the links are opened.</summary>
/// <param name="Pipeline">The pipeline.</param>
/// <param name="Opened">Ends when its opening has, whether it works or not.</param>
/// <param name="History">What the replica waits with again, if it does not work.</param>
internal sealed record Opening(Pipeline Pipeline, Task Opened, ReplicaHistory History) : WithPipeline(Pipeline, Opened);

/// <summary>The pipeline works.</summary>
/// <param name="Pipeline">The pipeline.</param>
/// <param name="Opened">The end of its opening.</param>
internal sealed record Serving(Pipeline Pipeline, Task Opened) : WithPipeline(Pipeline, Opened);

/// <summary>The pipeline works, while the next one's silos load.</summary>
/// <param name="Pipeline">The pipeline.</param>
/// <param name="Opened">The end of its opening.</param>
/// <param name="Move">The next one.</param>
internal sealed record Moving(Pipeline Pipeline, Task Opened, Move Move) : WithPipeline(Pipeline, Opened);

/// <summary>What is left to a replica of the pipelines that it had.</summary>
/// <param name="Since">When it lost the last one that worked, or began to own pipelines (the controller's clock).</param>
/// <param name="Previous">What that one left to the next; null when there was none, or nobody has anything of it.</param>
internal sealed record ReplicaHistory(long Since, PreviousPipeline? Previous = null)
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    /// <summary>Plans that failed since the last pipeline that worked; each makes the next attempt wait longer.</summary>
    public int FailedPlans { get; private init; }

    /// <summary>Why the last plan failed; null after one that worked.</summary>
    public string? LastFailure { get; private init; }

    /// <summary>The silos' version when the last plan failed: with other silos, the next may be tried at once.</summary>
    private long FailedVersion { get; init; }

    /// <summary>When the next plan may be tried (the controller's clock).</summary>
    private long NotBefore { get; init; }

    /// <summary>After a plan that failed.</summary>
    /// <param name="reason">Why.</param>
    /// <param name="version">The silos' version.</param>
    /// <param name="time">The controller's clock.</param>
    public ReplicaHistory Failed(string reason, long version, TimeProvider time)
    {
        double pause = Math.Min(0.1 * Math.Pow(2, FailedPlans + 1), LongestPause.TotalSeconds);
        return this with
        {
            FailedPlans = FailedPlans + 1,
            LastFailure = reason,
            FailedVersion = version,
            NotBefore = time.GetTimestamp() + (long)(pause * time.TimestampFrequency),
        };
    }

    /// <summary>Whether the next plan may be tried.</summary>
    /// <param name="version">The silos' version.</param>
    /// <param name="time">The controller's clock.</param>
    public bool IsDue(long version, TimeProvider time) => version != FailedVersion || time.GetTimestamp() >= NotBefore;
}
