using System.Collections.Immutable;
using System.Threading.Channels;
using Llama.Grains.Silos;
using Llama.Grains.Placement;
using Llama.Grains.Stages;

namespace Llama.Grains.Gateway;

/// <content>
/// Changes that somebody asks for: a silo is emptied, or the layers are repartitioned for the silos that are there. A change is a loss that is
/// planned: silos that are new to a pipeline load first (<see cref="Move"/>), then the pipeline ends and the next opens.
/// </content>
internal sealed partial class ClusterController
{
    private const int MostChanges = 64;

    private readonly Channel<Action<SilosView>> requests = Channel.CreateBounded<Action<SilosView>>(
        new BoundedChannelOptions(MostChanges) { SingleReader = true });

    /// <summary>What somebody waits for, and has not been done yet.</summary>
    private readonly List<Change> changes = [];

    private static readonly ImmutableDictionary<string, string> Nobody = ImmutableDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>
    /// Silos that get no layers any more, with the process that was drained. One that the directory loses, and that then comes back, is
    /// the same process and drained still.
    /// </summary>
    private volatile ImmutableDictionary<string, string> drained = Nobody;

    /// <summary>The silos that get no layers, because they were drained.</summary>
    public IReadOnlyList<Member> Drained => [.. silos.Where(IsDrained)];

    /// <summary>Moves a silo's layers to others; it gets none until it is another process, or is taken back.</summary>
    /// <exception cref="ClusterChangeException">There is no such silo, or the others cannot take its layers.</exception>
    public Task DrainAsync(string silo, CancellationToken cancellationToken) =>
        AskAsync((view, done) => Drain(Find(view, silo), done), cancellationToken);

    /// <summary>Lets a drained silo have layers again. It stands by at first.</summary>
    /// <exception cref="ClusterChangeException">There is no such silo.</exception>
    public Task TakeBackAsync(string silo, CancellationToken cancellationToken) =>
        AskAsync((view, done) => TakeBack(Find(view, silo), done), cancellationToken);

    /// <summary>Cuts the layers for all silos that are there, where the slowest stage becomes faster by it; what was measured of stages counts.</summary>
    /// <exception cref="ClusterChangeException">A pipeline could not be moved.</exception>
    public Task RebalanceAsync(CancellationToken cancellationToken) => AskAsync((view, done) => Rebalance(view, done), cancellationToken);

    /// <summary>Has the loop do something that it may take until later to complete.</summary>
    private async Task AskAsync(Action<SilosView, TaskCompletionSource> request, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!requests.Writer.TryWrite(view => Answer(view, request, done)))
            throw new ClusterChangeException(ClusterChangeError.Unavailable, $"{MostChanges} changes of the cluster wait already.");
        await done.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private void Answer(SilosView view, Action<SilosView, TaskCompletionSource> request, TaskCompletionSource done)
    {
        try
        {
            if (!owns)
                throw new ClusterChangeException(ClusterChangeError.Unavailable, owner ?? "This gateway does not own the pipelines yet.");
            if (changes.Count >= MostChanges)
                throw new ClusterChangeException(ClusterChangeError.Unavailable, $"{MostChanges} changes of the cluster are in flight.");
            request(view, done);
        }
        catch (Exception e) when (e is ClusterChangeException or PlacementException)
        {
            done.SetException(e is ClusterChangeException ? e : new ClusterChangeException(ClusterChangeError.Refused, e.Message));
        }
    }

    private void AnswerRequests(SilosView view)
    {
        while (requests.Reader.TryRead(out Action<SilosView>? request)) request(view);
    }

    private static Member Find(SilosView view, string silo) => view.Members.FirstOrDefault(member => member.Name == silo)
        ?? throw new ClusterChangeException(
            ClusterChangeError.NotFound,
            $"There is no silo '{silo}'; there are: {string.Join(", ", view.Members.Select(member => member.Name))}.");

    private void Drain(Member silo, TaskCompletionSource done)
    {
        if (!IsDrained(silo)) Log.Drains(logger, silo.Name);
        drained = drained.SetItem(silo.Name, silo.Instance);
        changes.Add(new Change(silo, done));
    }

    private void TakeBack(Member silo, TaskCompletionSource done)
    {
        drained = drained.Remove(silo.Name);
        foreach (Change change in changes.Where(change => change.Drains?.Instance == silo.Instance).ToList())
            Fail(change, $"Silo {silo.Name} was taken back before it was empty.");
        done.SetResult();
    }

    private void Rebalance(SilosView view, TaskCompletionSource done)
    {
        var change = new Change(null, done);
        List<Member> spare = [.. silos.Where(silo => IsFree(silo) && IsFit(silo) && !replicas.Any(replica => replica.Uses(silo)))];
        var plans = new List<(Replica Replica, Pipeline From, PipelinePlan Plan)>();
        int left = replicas.Count;
        foreach (Replica replica in replicas)
        {
            int share = (spare.Count + left - 1) / left--;
            if (replica.Pipeline is not { Ready: true, Lost.IsCompleted: false } pipeline || replica.Move is not null)
                throw new ClusterChangeException(ClusterChangeError.Unavailable, $"Replica {replica.Number} is changing: {replica.Reason}");
            List<Member> more = [.. spare.Where(silo => silo.Profile == pipeline.Plan[0].Member.Profile).Take(share)];
            HashSet<string> chosen =
                [.. pipeline.Plan.Select(stage => stage.Member.Name).Concat(more.Select(silo => silo.Name)).Take(planner.MostStages)];
            Member[] planned = [.. silos.Where(silo => chosen.Contains(silo.Name) && IsFree(silo))];
            if (planner.Improve(pipeline.Heritage, planned, IsFit, pipeline.Times.LayerSeconds) is not { } plan) continue;
            CheckRoom(pipeline, plan);
            foreach (PlannedStage stage in plan.Stages) spare.RemoveAll(silo => silo.Name == stage.Member.Name);
            plans.Add((replica, pipeline, plan));
        }

        foreach ((Replica replica, Pipeline from, PipelinePlan plan) in plans)
        {
            Begin(replica, from, plan, view);
            change.Moved.Add(replica);
        }

        changes.Add(change);
    }

    /// <summary>Takes the moves a step further, and completes the waits for them.</summary>
    private async Task MoveAsync(SilosView view)
    {
        foreach (Replica replica in replicas)
        {
            if (replica.Move is { Prepared.IsCompleted: true } move)
            {
                MoveFault? fault = await move.Prepared.ConfigureAwait(false);
                if (fault is not null) unfit.Add(fault.Silo.Instance);
                string? reason = fault?.Reason ?? await SwitchAsync(replica, move, view).ConfigureAwait(false);
                await DropMoveAsync(replica).ConfigureAwait(false);
                if (reason is not null) Fail(replica, reason);
            }

            if (!admission.Expects && replica is { Move: null, Pipeline: { Ready: true, Lost.IsCompleted: false } pipeline }
                && pipeline.Plan.Any(stage => IsDrained(stage.Member)))
                Leave(replica, pipeline, view);
        }

        foreach (Change change in changes.Where(change => IsDone(change, view)).ToList())
        {
            changes.Remove(change);
            change.Done.TrySetResult();
        }
    }

    /// <summary>Begins to move a pipeline away from silos that are to be empty.</summary>
    private void Leave(Replica replica, Pipeline pipeline, SilosView view)
    {
        foreach (Change change in changes.Where(change => change.Drains is { } silo && Holds(pipeline, silo))) change.Moved.Add(replica);
        try
        {
            List<Member> others = Usable(replica);
            if (planner.Repair(pipeline.Heritage, others, IsFit) is not { } plan)
            {
                string profile = pipeline.Plan[0].Member.Profile;
                Member[] rest = [.. others.Where(silo => silo.Profile == profile && IsFit(silo)).Take(planner.MostStages)];
                if (rest.Length == 0) throw new PlacementException("No other silo is there to take its layers.");
                plan = planner.Plan([.. silos.Where(rest.Contains)], pipeline.Heritage, IsFit);
                CheckRoom(pipeline, plan);
            }

            Begin(replica, pipeline, plan, view);
        }
        catch (PlacementException e)
        {
            Fail(replica, e.Message);
        }
    }

    private void Begin(Replica replica, Pipeline pipeline, PipelinePlan plan, SilosView view)
    {
        epoch = Math.Max(epoch, LastEpoch(view)) + 1;
        replica.Move = Move.Begin(pipeline, plan, epoch, cluster, stopping.Token);
    }

    /// <summary>A request that was taken on must find room afterwards, too.</summary>
    /// <exception cref="PlacementException">It might not.</exception>
    private void CheckRoom(Pipeline pipeline, PipelinePlan plan)
    {
        int before = planner.Tokens(pipeline.KvBlocks);
        int after = planner.Tokens(plan.KvBlocks);
        if (after < before) throw new PlacementException($"There would be room for {after} tokens of a request; {before} are served now.");
    }

    /// <summary>Puts the next pipeline into the place of the present one.</summary>
    /// <returns>Why not; null when it was done, or the present one was lost.</returns>
    private async Task<string?> SwitchAsync(Replica replica, Move move, SilosView view)
    {
        HashSet<string> free = [.. silos.Where(IsFree).Select(silo => silo.Instance)];
        if (move.Plan.Stages.FirstOrDefault(stage => !free.Contains(stage.Member.Instance)) is { } gone)
            return $"Silo {gone.Member.Name} cannot be planned with any more.";
        if (!move.From.Retire("Its layers move to other silos.")) return null;
        await CloseAsync(replica).ConfigureAwait(false);
        replica.WithoutPipelineSince = time.GetTimestamp();
        replica.FailedPlans = 0;
        replica.LastFailure = null;
        replica.Heritage = move.Plan.Inherits is null ? null : move.From.Heritage;
        Open(replica, move.Plan with { Inherits = replica.Heritage }, view);
        return null;
    }

    /// <summary>Ends what moves a pipeline that is not there any more: the next is planned as after any loss.</summary>
    private static async Task DropMoveAsync(Replica replica)
    {
        if (replica.Move is not { } move) return;
        replica.Move = null;
        await move.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Gives up the changes for which a replica was to move; its pipeline goes on.</summary>
    private void Fail(Replica replica, string reason)
    {
        Log.NotMoved(logger, replica.Number, reason);
        IReadOnlyList<PlannedStage> stages = replica.Pipeline?.Plan ?? [];
        drained = drained.RemoveRange(stages.Select(stage => stage.Member).Where(IsDrained).Select(silo => silo.Name));
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
        && change.Moved.All(replica => replica is { Move: null, Pipeline.Ready: true })
        && !(change.Drains is { } silo && replicas.Any(replica => replica.Pipeline is { } pipeline && Holds(pipeline, silo)));

    private static bool Holds(Pipeline pipeline, Member silo) => pipeline.Plan.Any(stage => stage.Member.Instance == silo.Instance);

    private bool IsDrained(Member silo) => drained.GetValueOrDefault(silo.Name) == silo.Instance;

    /// <summary>Whether a silo may get layers at all.</summary>
    private bool IsFree(Member silo) => !IsSilent(silo) && !IsDrained(silo);

    /// <summary>Something that somebody waits for.</summary>
    /// <param name="Drains">The silo that is to be empty; null when the layers are repartitioned.</param>
    /// <param name="Done">Told of the end.</param>
    private sealed record Change(Member? Drains, TaskCompletionSource Done)
    {
        /// <summary>Replicas whose pipeline moves for it.</summary>
        public HashSet<Replica> Moved { get; } = [];
    }
}
