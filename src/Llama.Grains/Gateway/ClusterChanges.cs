using System.Threading.Channels;
using Llama.Grains.Placement;
using Llama.Grains.Silos;
using Llama.Grains.Stages;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Gateway;

/// <summary>
/// Changes that somebody asks for: a silo is emptied, or the layers are repartitioned for the silos that are there. A change is a loss that is
/// planned: silos that are new to a pipeline load first (<see cref="Move"/>), then the pipeline ends and the next opens. Anybody may ask;
/// the controller's loop does the rest.
/// </summary>
/// <param name="pool">The silos.</param>
/// <param name="division">Plans where layers move.</param>
/// <param name="machines">The replicas.</param>
/// <param name="marks">What silos know of being drained.</param>
/// <param name="logger">Told of drains, and of what is not moved.</param>
internal sealed class ClusterChanges(
    SiloPool pool, SiloDivision division, IReadOnlyList<ReplicaMachine> machines, DrainMarks marks, ILogger logger)
{
    private const int MostChanges = 64;

    private readonly Channel<Request> requests = Channel.CreateBounded<Request>(new BoundedChannelOptions(MostChanges) { SingleReader = true });

    /// <summary>What somebody waits for, and has not been done yet.</summary>
    private readonly List<Change> changes = [];

    /// <summary>Moves a silo's layers to others; it gets none until it is another process, or is taken back.</summary>
    /// <exception cref="ClusterChangeException">There is no such silo, or the others cannot take its layers.</exception>
    public Task DrainAsync(string silo, CancellationToken cancellationToken) =>
        AskAsync((view, done) => Drain(Find(view, silo), done), cancellationToken);

    /// <summary>Lets a drained silo have layers again. It stands by at first.</summary>
    /// <exception cref="ClusterChangeException">There is no such silo.</exception>
    public Task TakeBackAsync(string silo, CancellationToken cancellationToken) =>
        AskAsync((view, done) => TakeBack(Find(view, silo), done), cancellationToken);

    /// <summary>
    /// Repartitions the layers for all silos that are there, where the slowest stage becomes faster by it; what was measured of stages counts.
    /// </summary>
    /// <exception cref="ClusterChangeException">A pipeline could not be moved.</exception>
    public Task RebalanceAsync(CancellationToken cancellationToken) => AskAsync(Rebalance, cancellationToken);

    /// <summary>Ends when somebody has asked for a change.</summary>
    public Task WaitAsync(CancellationToken cancellationToken) => requests.Reader.WaitToReadAsync(cancellationToken).AsTask();

    /// <summary>Begins what was asked for.</summary>
    /// <param name="view">The silos.</param>
    /// <param name="refusal">Why this process takes no changes, in a sentence; null when it does.</param>
    public void Answer(SilosView view, string? refusal)
    {
        while (requests.Reader.TryRead(out Request? request))
        {
            try
            {
                if (refusal is not null) throw new ClusterChangeException(ClusterChangeError.Unavailable, refusal);
                if (changes.Count >= MostChanges)
                    throw new ClusterChangeException(ClusterChangeError.Unavailable, $"{MostChanges} changes of the cluster are in flight.");
                request.Begin(view, request.Done);
            }
            catch (Exception e) when (e is ClusterChangeException or PlacementException)
            {
                request.Done.SetException(e is ClusterChangeException ? e : new ClusterChangeException(ClusterChangeError.Refused, e.Message));
            }
        }
    }

    /// <summary>Takes the moves a step further, and completes the waits for them.</summary>
    public async Task MoveAsync(SilosView view)
    {
        foreach (ReplicaMachine machine in machines)
        {
            if (IsOutdated(machine.Replica)) await machine.DropMoveAsync().ConfigureAwait(false);
            else if (await machine.FinishMoveAsync(view).ConfigureAwait(false) is { } reason) Fail(machine.Replica, reason);
            if (!pool.Expects && machine.Replica is { State: Serving { Pipeline: var pipeline }, IsReady: true }
                && pipeline.Plan.Any(stage => pool.IsDrained(stage.Member)))
                Leave(machine, pipeline, view);
        }

        foreach (Change change in changes.Where(change => IsDone(change, view)).ToList())
        {
            changes.Remove(change);
            change.Done.TrySetResult();
        }
    }

    /// <summary>
    /// Whether a drain's move counts on a silo of the present pipeline that has left the cluster, which may be seen before the loss of that
    /// pipeline is: the drain is planned anew, with the silos that are left.
    /// </summary>
    private bool IsOutdated(Replica replica) =>
        replica.State is Moving { Pipeline: var pipeline, Move.Plan: var plan }
        && plan.Stages.Any(stage => Holds(pipeline, stage.Member) && pool.Members.All(silo => silo.Instance != stage.Member.Instance))
        && !changes.Any(change => change.Drains is null && change.Moved.Contains(replica));

    /// <summary>Gives up all changes.</summary>
    /// <param name="reason">Why, in a sentence.</param>
    public void FailAll(string reason)
    {
        foreach (Change change in changes.ToList()) Fail(change, reason);
    }

    /// <summary>Has the loop do something that it may take until later to complete.</summary>
    private async Task AskAsync(Action<SilosView, TaskCompletionSource> begin, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!requests.Writer.TryWrite(new Request(begin, done)))
            throw new ClusterChangeException(ClusterChangeError.Unavailable, $"{MostChanges} changes of the cluster wait already.");
        await done.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private static Member Find(SilosView view, string silo) => view.Members.FirstOrDefault(member => member.Name == silo)
        ?? throw new ClusterChangeException(
            ClusterChangeError.NotFound,
            $"There is no silo '{silo}'; there are: {string.Join(", ", view.Members.Select(member => member.Name))}.");

    private void Drain(Member silo, TaskCompletionSource done)
    {
        if (!pool.IsDrained(silo)) ControllerLog.Drains(logger, silo.Name);
        pool.Drain(silo);
        changes.Add(new Change(silo, done));
    }

    private void TakeBack(Member silo, TaskCompletionSource done)
    {
        pool.TakeBack(silo);
        foreach (Change change in changes.Where(change => change.Drains?.Instance == silo.Instance).ToList())
            Fail(change, $"Silo {silo.Name} was taken back before it was empty.");
        done.SetResult();
    }

    private void Rebalance(SilosView view, TaskCompletionSource done)
    {
        var change = new Change(null, done);
        foreach ((Replica replica, PipelinePlan plan) in division.Improve())
        {
            machines[replica.Number].BeginMove(plan, view);
            change.Moved.Add(replica);
        }

        changes.Add(change);
    }

    /// <summary>Begins to move a pipeline away from silos that are to be empty.</summary>
    private void Leave(ReplicaMachine machine, Pipeline pipeline, SilosView view)
    {
        foreach (Change change in changes.Where(change => change.Drains is { } silo && Holds(pipeline, silo)))
            change.Moved.Add(machine.Replica);
        try
        {
            machine.BeginMove(division.PlanAway(machine.Replica, pipeline), view);
        }
        catch (PlacementException e)
        {
            Fail(machine.Replica, e.Message);
        }
    }

    /// <summary>Gives up the changes for which a replica was to move; its pipeline goes on.</summary>
    private void Fail(Replica replica, string reason)
    {
        ControllerLog.NotMoved(logger, replica.Number, reason);
        IReadOnlyList<PlannedStage> stages = replica.Pipeline?.Plan ?? [];
        foreach (Member silo in stages.Select(stage => stage.Member).Where(pool.IsDrained)) pool.TakeBack(silo);
        foreach (Change change in changes.ToList())
        {
            if (change.Moved.Contains(replica) || stages.Any(stage => stage.Member.Instance == change.Drains?.Instance))
                Fail(change, reason);
        }
    }

    private void Fail(Change change, string reason)
    {
        changes.Remove(change);
        change.Done.TrySetException(new ClusterChangeException(ClusterChangeError.Refused, reason));
    }

    /// <summary>
    /// The silo that it empties has no place in a pipeline, and knows it, so that other gateways will; the pipelines that moved for it
    /// work again.
    /// </summary>
    private bool IsDone(Change change, SilosView view) =>
        (change.Drains is not { } drains
            || marks.IsSettled(view.Members.FirstOrDefault(member => member.Instance == drains.Instance)))
        && change.Moved.All(replica => replica.State is Serving)
        && !(change.Drains is { } silo && machines.Any(machine => machine.Replica.Pipeline is { } pipeline && Holds(pipeline, silo)));

    private static bool Holds(Pipeline pipeline, Member silo) => pipeline.Plan.Any(stage => stage.Member.Instance == silo.Instance);

    /// <summary>What somebody asks for.</summary>
    /// <param name="Begin">Begins it.</param>
    /// <param name="Done">Told of the end.</param>
    private sealed record Request(Action<SilosView, TaskCompletionSource> Begin, TaskCompletionSource Done);

    /// <summary>Something that somebody waits for.</summary>
    /// <param name="Drains">The silo that is to be empty; null when the layers are repartitioned.</param>
    /// <param name="Done">Told of the end.</param>
    private sealed record Change(Member? Drains, TaskCompletionSource Done)
    {
        /// <summary>Replicas whose pipeline moves for it.</summary>
        public HashSet<Replica> Moved { get; } = [];
    }
}
