using Llama.Grains.Placement;
using Llama.Grains.Stages;

namespace Llama.Grains.Gateway;

/// <summary>One replica: its scheduler, which lives as long as the gateway, and the pipeline that serves it at present.</summary>
internal sealed class Replica(int number, Engine engine)
{
    /// <summary>Its number, from 0.</summary>
    public int Number { get; } = number;

    /// <summary>Owner of its sequences.</summary>
    public Engine Engine { get; } = engine;

    /// <summary>Requests that were sent to it and have not ended; guarded by the chooser of replicas.</summary>
    public int Requests { get; set; }

    /// <summary>The pipeline that is open or opening; null while there is none.</summary>
    public Pipeline? Pipeline { get; set; }

    /// <summary>The opening of the pipeline.</summary>
    public Task Opening { get; set; } = Task.CompletedTask;

    /// <summary>The next pipeline, while its new silos load and the present one goes on; null while nothing moves.</summary>
    public Move? Move { get; set; }

    /// <summary>When it lost its last pipeline, or the gateway started (the controller's clock).</summary>
    public long WithoutPipelineSince { get; set; }

    /// <summary>What its last pipeline that worked left to the next; null when there was none, or nobody has anything of it.</summary>
    public Heritage? Heritage { get; set; }

    /// <summary>Plans that failed since the last pipeline that worked; each makes the next attempt wait longer.</summary>
    public int FailedPlans { get; set; }

    /// <summary>Why the last plan failed; null after one that worked.</summary>
    public string? LastFailure { get; set; }

    /// <summary>The directory's version when the last plan failed: with other members, the next may be tried at once.</summary>
    public long FailedVersion { get; set; }

    /// <summary>When the next plan may be tried (the controller's clock).</summary>
    public long NotBefore { get; set; }

    /// <summary>Why it has no pipeline.</summary>
    public string Reason { get; set; } = "The gateway has just started.";

    /// <summary>Why the layers did not fit when they were cut last; null when they did.</summary>
    public PlacementException? Misfit { get; set; }

    /// <summary>Whether a silo has a place in its pipeline, or in the one that is to follow.</summary>
    public bool Uses(Member silo) => Has(Pipeline?.Plan, silo) || Has(Move?.Plan.Stages, silo);

    private static bool Has(IReadOnlyList<PlannedStage>? stages, Member silo) =>
        stages?.Any(stage => stage.Member.Name == silo.Name) ?? false;
}
