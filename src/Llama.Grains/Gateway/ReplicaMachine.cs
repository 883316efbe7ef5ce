using Llama.Grains.Hosting;
using Llama.Grains.Links;
using Llama.Grains.Scheduling;
using Llama.Grains.Silos;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Gateway;

/// <summary>
/// The transitions of one replica, from <see cref="Waiting"/> to <see cref="Opening"/>, <see cref="Serving"/>, <see cref="Moving"/> and back
/// (docs/architecture.md has the table). The controller's loop calls them; only loading, which may take minutes, runs beside it.
/// </summary>
/// <param name="replica">The replica.</param>
/// <param name="services">What all replicas share.</param>
internal sealed class ReplicaMachine(Replica replica, ReplicaServices services)
{
    /// <summary>The replica.</summary>
    public Replica Replica => replica;

    /// <summary>Each of these ends when there is something to do.</summary>
    public IEnumerable<Task> Events => replica.State switch
    {
        Opening opening => [opening.Opened, opening.Pipeline.Lost],
        Moving moving => [moving.Pipeline.Lost, moving.Move.Prepared],
        WithPipeline has => [has.Pipeline.Lost],
        _ => [],
    };

    /// <summary>
    /// A pipeline that works is served with, and one that has ended is cleared away. Links and heartbeats tell whether the stages of an open one
    /// live, and membership has no say in it; of stages that load it alone tells.
    /// </summary>
    /// <param name="view">The silos.</param>
    /// <param name="present">Their processes.</param>
    public async Task CheckAsync(SilosView view, HashSet<string> present)
    {
        if (replica.State is Opening { Pipeline.Ready: false } opening
            && opening.Pipeline.Plan.FirstOrDefault(stage => !present.Contains(stage.Member.Instance)) is { } gone)
            opening.Pipeline.Fail($"Silo {gone.Member.Name} left the cluster.");
        if (replica.Pipeline is { Lost.IsCompleted: true } lost) await LoseAsync(lost, view).ConfigureAwait(false);
        else if (replica.State is Opening { Pipeline.Ready: true } opened) replica.State = new Serving(opened.Pipeline, opened.Opened);
    }

    /// <summary>Opens a pipeline, if the replica waits for one and the silos allow it.</summary>
    public void Plan(SilosView view)
    {
        if (replica.State is not Waiting waiting || !waiting.History.IsDue(view.Version, services.Time)) return;
        (PipelinePlan? plan, Waiting still) = services.Division.Plan(replica, waiting);
        if (still.Reason != waiting.Reason && still.Reason == still.Misfit?.Message)
            ControllerLog.DoesNotFit(services.Logger, replica.Number, still.Reason);
        if (plan is null) replica.State = still;
        else Open(plan, waiting.History with { Previous = plan.Inherits }, view);
    }

    /// <summary>Has the silos load that are new to a plan, while the pipeline goes on.</summary>
    public void BeginMove(PipelinePlan plan, SilosView view)
    {
        if (replica.State is not Serving { Pipeline: var pipeline, Opened: var opened }) return;
        var move = Move.Begin(pipeline, plan, services.Epochs.Next(view), services.Silos, services.Stopping);
        replica.State = new Moving(pipeline, opened, move);
    }

    /// <summary>Puts the next pipeline into the place of the present one, once its silos have loaded.</summary>
    /// <returns>Why that cannot be, in a sentence: the present one goes on; else null.</returns>
    public async Task<string?> FinishMoveAsync(SilosView view)
    {
        if (replica.State is not Moving { Move.Prepared.IsCompleted: true } moving) return null;
        MoveFault? fault = await moving.Move.Prepared.ConfigureAwait(false);
        if (fault is not null) services.Pool.Blame(fault.Silo, silent: false);
        string? reason = fault?.Reason ?? (services.Pool.FindGone(moving.Move.Plan) is { } gone
            ? $"Silo {gone.Name} cannot be planned with any more."
            : null);
        if (reason is not null || !moving.Pipeline.Retire("Its layers move to other silos."))
        {
            await DropMoveAsync().ConfigureAwait(false);
            return reason;
        }

        PipelinePlan plan = moving.Move.Plan;
        await moving.Move.DisposeAsync().ConfigureAwait(false);
        await CloseAsync(moving).ConfigureAwait(false);
        PreviousPipeline? previous = plan.Inherits is null ? null : moving.Pipeline.AsPrevious;
        Open(plan with { Inherits = previous }, new ReplicaHistory(services.Time.GetTimestamp(), previous), view);
        return null;
    }

    /// <summary>Ends a move; its pipeline goes on, if it is there.</summary>
    public async Task DropMoveAsync()
    {
        if (replica.State is not Moving moving) return;
        replica.State = new Serving(moving.Pipeline, moving.Opened);
        await moving.Move.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Closes the pipeline: another process owns the pipelines, or this one stops.</summary>
    /// <param name="reason">Why, in a sentence.</param>
    public async Task LeaveAsync(string reason)
    {
        if (replica.State is Waiting waiting)
        {
            if (waiting.Reason != reason) replica.State = waiting with { Reason = reason };
            return;
        }

        await DropMoveAsync().ConfigureAwait(false);
        var has = (WithPipeline)replica.State;
        bool worked = has.Pipeline.Ready;
        await CloseAsync(has).ConfigureAwait(false);
        PreviousPipeline? previous = worked ? has.Pipeline.AsPrevious : (has as Opening)?.History.Previous;
        replica.State = new Waiting(new ReplicaHistory(services.Time.GetTimestamp(), previous), reason);
    }

    /// <summary>Counts anew how long it has been without a pipeline: this process begins to own them.</summary>
    public void Restart()
    {
        if (replica.State is Waiting waiting)
            replica.State = waiting with { History = waiting.History with { Since = services.Time.GetTimestamp() } };
    }

    private async Task LoseAsync(Pipeline pipeline, SilosView view)
    {
        await DropMoveAsync().ConfigureAwait(false);
        string reason = await pipeline.Lost.ConfigureAwait(false);
        bool worked = pipeline.Ready;
        ReplicaHistory? before = (replica.State as Opening)?.History;
        services.Pool.Doubt(pipeline.Plan.Select(stage => stage.Member));
        foreach (PlannedStage stage in pipeline.Plan) services.Silos.Suspect(stage.Member);
        await CloseAsync((WithPipeline)replica.State).ConfigureAwait(false);
        if (pipeline.Unfit is { } silo) services.Pool.Blame(silo, pipeline.Silent);
        if (worked || before is null)
        {
            ControllerLog.Lost(services.Logger, replica.Number, pipeline.Epoch, reason);
            replica.State = new Waiting(new ReplicaHistory(services.Time.GetTimestamp(), pipeline.AsPrevious), reason);
            return;
        }

        // Said once for each reason, not at every attempt.
        if (reason != before.LastFailure) ControllerLog.NotOpened(services.Logger, replica.Number, pipeline.Epoch, reason);
        replica.State = new Waiting(before.Failed(reason, view.Version, services.Time), reason);
    }

    private void Open(PipelinePlan plan, ReplicaHistory history, SilosView view)
    {
        var pipeline = Pipeline.Create(replica.Number, services.Epochs.Next(view), plan, services.Time);
        replica.State = new Opening(pipeline, OpenAsync(pipeline), history);
    }

    private async Task OpenAsync(Pipeline pipeline)
    {
        ControllerLog.Opening(services.Logger, replica.Number, pipeline.Epoch, pipeline.Whole.Text);
        try
        {
            HeldBlocks held = pipeline.Whole.Inherits is null
                ? default
                : await replica.Engine.FitAsync(pipeline.KvBlocks).ConfigureAwait(false);
            await Task.Run(() => pipeline.OpenAsync(services.Identity, services.Silos, held, services.Stopping)).ConfigureAwait(false);
            replica.Engine.Attach(pipeline);
            ControllerLog.Ready(services.Logger, replica.Number, pipeline.Epoch);
        }
#pragma warning disable CA1031 // A failure is a value: whatever kept the pipeline from opening is the reason that it is lost.
        catch (Exception e)
#pragma warning restore CA1031
        {
            pipeline.Fail(Brief.Of(e));
        }
    }

    private static async Task CloseAsync(WithPipeline has)
    {
        has.Pipeline.Fail("The pipeline was closed.");
        await has.Opened.ConfigureAwait(false);
        await has.Pipeline.DisposeAsync().ConfigureAwait(false);
    }
}

/// <summary>What all replicas share.</summary>
/// <param name="Identity">This process on links.</param>
/// <param name="Silos">Calls the silos.</param>
/// <param name="Pool">Which of them may get layers.</param>
/// <param name="Division">Divides them among the replicas.</param>
/// <param name="Epochs">Numbers the plans.</param>
/// <param name="Time">The clock.</param>
/// <param name="Logger">Told of each transition.</param>
/// <param name="Stopping">Cancelled when the process stops.</param>
internal sealed record ReplicaServices(
    LinkIdentity Identity, ISilos Silos, SiloPool Pool, SiloDivision Division, Epochs Epochs, TimeProvider Time, ILogger Logger,
    CancellationToken Stopping);
