using Llama.Grains.Stages;

namespace Llama.Grains.Gateway;

/// <summary>
/// One replica: its engine, which lives as long as the gateway, and what it is doing. Its <see cref="ReplicaMachine"/> changes the state;
/// any thread may read it.
/// </summary>
/// <param name="number">Its number, from 0.</param>
/// <param name="engine">Owner of its sequences.</param>
/// <param name="now">The present time (the controller's clock).</param>
internal sealed class Replica(int number, Engine engine, long now)
{
    private volatile ReplicaState state = new Waiting(new ReplicaHistory(now), "The gateway has just started.");

    /// <summary>Its number, from 0.</summary>
    public int Number { get; } = number;

    /// <summary>Owner of its sequences.</summary>
    public Engine Engine { get; } = engine;

    /// <summary>Requests that were sent to it and have not ended; guarded by the chooser of replicas.</summary>
    public int Requests { get; set; }

    /// <summary>What it is doing.</summary>
    public ReplicaState State
    {
        get => state;
        set => state = value;
    }

    /// <summary>The pipeline that is open or opening; null while there is none.</summary>
    public Pipeline? Pipeline => (State as WithPipeline)?.Pipeline;

    /// <summary>Whether a request would be answered now.</summary>
    public bool IsReady => Pipeline is { Ready: true, Lost.IsCompleted: false };

    /// <summary>Why it does not answer, in a sentence; while it does, what it did before.</summary>
    public string Reason => State switch
    {
        Waiting waiting => waiting.Reason,
        Opening { History.LastFailure: { } failure } => $"The silos are loading their layers again, after this: {failure}",
        Moving => "Its layers move to other silos.",
        _ => "The silos are loading their layers.",
    };

    /// <summary>Whether a silo has a place in its pipeline, or in the one that is to follow.</summary>
    public bool Uses(Member silo) => State switch
    {
        Moving moving => Has(moving.Pipeline.Plan, silo) || Has(moving.Move.Plan.Stages, silo),
        WithPipeline has => Has(has.Pipeline.Plan, silo),
        _ => false,
    };

    private static bool Has(IReadOnlyList<PlannedStage> stages, Member silo) => stages.Any(stage => stage.Member.Name == silo.Name);
}
