using Llama.Grains.Placement;
using Llama.Grains.Stages;

namespace Llama.Grains.Gateway;

/// <summary>Divides the silos among the replicas. Used by the controller's loop.</summary>
/// <param name="settings">How many silos and replicas there are to be.</param>
/// <param name="planner">Makes stages of silos.</param>
/// <param name="pool">The silos.</param>
/// <param name="replicas">The replicas.</param>
/// <param name="time">The controller's clock.</param>
internal sealed class SiloDivision(
    ClusterSettings settings, PipelinePlanner planner, SiloPool pool, IReadOnlyList<Replica> replicas, TimeProvider time)
{
    /// <summary>Attempts to go on with the blocks that are there; then all begins anew.</summary>
    private const int MostRepairs = 4;

    /// <summary>Plans a replica's next pipeline.</summary>
    /// <param name="replica">The replica.</param>
    /// <param name="waiting">What it is doing.</param>
    /// <returns>The plan; or null, and what the replica waits for.</returns>
    public (PipelinePlan? Plan, Waiting Still) Plan(Replica replica, Waiting waiting)
    {
        PreviousPipeline? previous = waiting.History.FailedPlans < MostRepairs ? waiting.History.Previous : null;
        List<Member> unused = Usable(replica);
        if (previous is not null && planner.Repair(previous, unused, pool.IsFit) is { } repaired) return (repaired, waiting);

        List<Member> free = [.. unused.GroupBy(silo => silo.Profile).MaxBy(profile => profile.Count()) ?? Enumerable.Empty<Member>()];
        int target = Math.Min(Share(replica.Number, settings.ExpectedSilos), planner.MostStages);

        // Drained ones are not waited for: they are there.
        int awaited = Math.Min(Share(replica.Number, settings.ExpectedSilos - pool.Drained.Count), target);
        bool patient = time.GetElapsedTime(waiting.History.Since) < settings.SiloWait;
        if (free.Count < awaited && (patient || free.Count == 0 || settings.Ranges is not null))
        {
            string reason = string.Join(' ', [$"Waiting for silos: {free.Count} of {awaited} are there.", .. pool.Refused]);
            return (null, waiting with { Reason = reason });
        }

        try
        {
            return (planner.Plan(Ordered(free.Take(target)), previous, pool.IsFit), waiting);
        }
        catch (PlacementException e)
        {
            return (null, waiting with { Reason = e.Message, Misfit = e });
        }
    }

    /// <summary>Plans a pipeline away from silos that are to be empty.</summary>
    /// <exception cref="PlacementException">The others cannot take its layers.</exception>
    public PipelinePlan PlanAway(Replica replica, Pipeline pipeline)
    {
        List<Member> others = Usable(replica);
        if (planner.Repair(pipeline.AsPrevious, others, pool.IsFit) is { } repaired) return repaired;
        string profile = pipeline.Plan[0].Member.Profile;
        Member[] rest = [.. others.Where(silo => silo.Profile == profile && pool.IsFit(silo)).Take(planner.MostStages)];
        if (rest.Length == 0) throw new PlacementException("No other silo is there to take its layers.");
        PipelinePlan plan = planner.Plan(Ordered(rest), pipeline.AsPrevious, pool.IsFit);
        CheckRoom(pipeline, plan);
        return plan;
    }

    /// <summary>Plans each pipeline for its silos and its share of those that stand by.</summary>
    /// <returns>The replicas whose slowest stage becomes faster by it.</returns>
    /// <exception cref="ClusterChangeException">A replica has no pipeline that serves.</exception>
    /// <exception cref="PlacementException">A pipeline would have less room.</exception>
    public IReadOnlyList<(Replica Replica, PipelinePlan Plan)> Improve()
    {
        List<Member> spare =
            [.. pool.Members.Where(silo => pool.IsFree(silo) && pool.IsFit(silo) && !replicas.Any(replica => replica.Uses(silo)))];
        var plans = new List<(Replica Replica, PipelinePlan Plan)>();
        int left = replicas.Count;
        foreach (Replica replica in replicas)
        {
            int share = (spare.Count + left - 1) / left--;
            if (replica.State is not Serving { Pipeline: var pipeline } || !replica.IsReady)
                throw new ClusterChangeException(ClusterChangeError.Unavailable, $"Replica {replica.Number} is changing: {replica.Reason}");
            List<Member> more = [.. spare.Where(silo => silo.Profile == pipeline.Plan[0].Member.Profile).Take(share)];
            HashSet<string> chosen =
                [.. pipeline.Plan.Select(stage => stage.Member.Name).Concat(more.Select(silo => silo.Name)).Take(planner.MostStages)];
            Member[] planned = [.. pool.Members.Where(silo => chosen.Contains(silo.Name) && pool.IsFree(silo))];
            if (planner.Improve(pipeline.AsPrevious, planned, pool.IsFit, pipeline.Times.LayerSeconds) is not { } plan) continue;
            CheckRoom(pipeline, plan);
            foreach (PlannedStage stage in plan.Stages) spare.RemoveAll(silo => silo.Name == stage.Member.Name);
            plans.Add((replica, plan));
        }

        return plans;
    }

    /// <summary>A request that was taken on must find room afterwards, too.</summary>
    /// <exception cref="PlacementException">It might not.</exception>
    private void CheckRoom(Pipeline pipeline, PipelinePlan plan)
    {
        int before = planner.Tokens(pipeline.KvBlocks);
        int after = planner.Tokens(plan.KvBlocks);
        if (after < before) throw new PlacementException($"There would be room for {after} tokens of a request; {before} are served now.");
    }

    /// <summary>The silos that a replica may be planned with: those that no other uses, the fit ones first.</summary>
    private List<Member> Usable(Replica replica) =>
    [
        .. pool.Members.Where(silo => pool.IsFree(silo) && !replicas.Any(other => other != replica && other.Uses(silo)))
            .OrderByDescending(pool.IsFit),
    ];

    private Member[] Ordered(IEnumerable<Member> chosen)
    {
        HashSet<Member> all = [.. chosen];
        return [.. pool.Members.Where(all.Contains)];
    }

    /// <summary>How many of the expected silos belong to a replica.</summary>
    private int Share(int replica, int expected) =>
        Math.Max(1, (expected / settings.Replicas) + (replica < expected % settings.Replicas ? 1 : 0));
}
