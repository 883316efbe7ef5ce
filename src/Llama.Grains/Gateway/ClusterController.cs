using Llama.Grains.Hosting;
using Llama.Grains.Silos;
using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Grains.Stages;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Gateway;

/// <summary>
/// Gives every replica a pipeline: watches who is alive, plans, opens, and when a pipeline is lost makes another under a new epoch. Does
/// so only while this gateway owns the pipelines. One loop owns all of it; only the loading of a pipeline, which may take minutes, runs
/// beside it.
/// </summary>
internal sealed partial class ClusterController : IAsyncDisposable
{
    /// <summary>A lease and its check, twice.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(8);

    /// <summary>Attempts to go on with the blocks that are there; then all begins anew.</summary>
    private const int MostRepairs = 4;

    /// <summary>
    /// A gateway that takes over leaves so many epochs to its predecessor: one that was only cut off from the others, and tries to plan
    /// again, never reaches those of its successor, and the silos refuse it.
    /// </summary>
    private const ulong EpochsOfPredecessor = 1 << 16;

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly ClusterSettings settings;
    private readonly ISilos cluster;
    private readonly Admission admission;
    private readonly DrainMarks marks;
    private readonly IReadOnlyList<Replica> replicas;
    private readonly PipelinePlanner planner;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly CancellationTokenSource stopping = new();

    /// <summary>Wakes the loop when who owns the pipelines has changed.</summary>
    private readonly SemaphoreSlim ownership = new(0);

    /// <summary>
    /// Silos (their processes) that could not load their layers, hung or answered nonsense: the last to be chosen, while they
    /// live.
    /// </summary>
    private readonly HashSet<string> unfit = new(StringComparer.Ordinal);

    /// <summary>
    /// Until when silos that gave no heartbeat get no layers (the controller's clock): by then the directory has seen it, too.
    /// </summary>
    private readonly Dictionary<string, long> silent = new(StringComparer.Ordinal);

    /// <summary>
    /// Silos (their processes) that this gateway has heard of since it took over. What the others say of a predecessor's plans and marks
    /// counts.
    /// </summary>
    private readonly HashSet<string> heard = new(StringComparer.Ordinal);

    /// <summary>Silos (process and name) that have a place in an open pipeline, and that are no members of the cluster.</summary>
    private Dictionary<string, string> missing = [];

    private readonly Task loop;
    private volatile IReadOnlyList<Member> silos = [];
    private volatile IReadOnlyList<string> refused = [];

    /// <summary>Who else owns the pipelines, in a sentence; null when this gateway is to.</summary>
    private volatile string? owner = "No gateway owns the pipelines yet.";
    private volatile bool owns;
    private ulong epoch;

    /// <summary>Starts planning.</summary>
    public ClusterController(
        ClusterSettings settings, ISilos cluster, IReadOnlyList<Replica> replicas, TimeProvider time, ILogger logger)
    {
        this.settings = settings;
        this.cluster = cluster;
        this.replicas = replicas;
        this.time = time;
        this.logger = logger;
        planner = new PipelinePlanner(settings);
        marks = new DrainMarks(cluster);
        admission = new Admission(settings.Identity, time, logger, stopping.Token);
        foreach (Replica replica in replicas) replica.WithoutPipelineSince = time.GetTimestamp();
        loop = Task.Run(RunAsync);
    }

    /// <summary>Counts the plans.</summary>
    public ulong Epoch => Volatile.Read(ref epoch);

    /// <summary>Whether this gateway owns the pipelines: it was to when it last looked, and has not been told otherwise since.</summary>
    public bool Owns => owns && owner is null;

    /// <summary>Has this gateway own the pipelines from now on.</summary>
    public void Own()
    {
        if (owner is null) return;
        owner = null;
        ownership.Release();
    }

    /// <summary>Has this gateway leave the pipelines to another.</summary>
    /// <param name="reason">Who owns them, in a sentence.</param>
    public void Leave(string reason)
    {
        if (owner == reason) return;
        owner = reason;
        ownership.Release();
    }

    /// <summary>The silos that may be planned with, by name.</summary>
    public IReadOnlyList<Member> Silos => silos;

    /// <summary>Silos that may not be planned with and why, a sentence each.</summary>
    public IReadOnlyList<string> Refused => refused;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await loop.ConfigureAwait(false);
        await marks.Marking.ConfigureAwait(false);
        foreach (Replica replica in replicas)
        {
            await DropMoveAsync(replica).ConfigureAwait(false);
            await CloseAsync(replica).ConfigureAwait(false);
        }

        ownership.Dispose();
        stopping.Dispose();
    }

    private async Task RunAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            SilosView view = cluster.View;
            try
            {
                await PlanAsync(view).ConfigureAwait(false);
            }
#pragma warning disable CA1031 // Without this loop there would never be a pipeline again: whatever went wrong, it goes on.
            catch (Exception e)
#pragma warning restore CA1031
            {
                Log.Failed(logger, e);
            }

            await WaitAsync(view.Version).ConfigureAwait(false);
        }
    }

    private async Task PlanAsync(SilosView view)
    {
        HashSet<string> present = [.. view.Members.Select(silo => silo.Instance)];
        unfit.IntersectWith(present);
        foreach (string silo in silent.Keys.Except(present).ToList()) silent.Remove(silo);
        foreach (Replica replica in replicas) await RemoveLostAsync(replica, view, present).ConfigureAwait(false);
        TellMissing(present);
        silos = MemoryShares.Of(admission.Admit(view));
        refused = [.. admission.Refusals];
        bool mine = await OwnsAsync(view).ConfigureAwait(false);
        AnswerRequests(view);
        if (!mine) return;
        marks.Update(view, IsDrained);
        await MoveAsync(view).ConfigureAwait(false);
        if (admission.Expects) return;
        foreach (Replica replica in replicas)
        {
            bool due = time.GetTimestamp() >= replica.NotBefore || view.Version != replica.FailedVersion;
            if (replica.Pipeline is null && due) TryPlan(replica, view);
        }
    }

    /// <summary>Takes the pipelines over, or leaves them.</summary>
    private async Task<bool> OwnsAsync(SilosView view)
    {
        if (owner is { } other)
        {
            foreach (Replica replica in replicas)
            {
                await DropMoveAsync(replica).ConfigureAwait(false);
                await CloseAsync(replica).ConfigureAwait(false);
                replica.Reason = other;
            }

            foreach (Change change in changes.ToList()) Fail(change, other);
            owns = false;
            drained = Nobody;
            return false;
        }

        if (!owns)
        {
            owns = true;
            heard.Clear();
            foreach (Replica replica in replicas.Where(replica => replica.Pipeline is null))
                replica.WithoutPipelineSince = time.GetTimestamp();
        }

        // A gateway may take over before it has heard of the silos.
        foreach (Member silo in view.Members.Where(silo => heard.Add(silo.Instance)))
        {
            if (silo.Drained) drained = drained.SetItem(silo.Name, silo.Instance);
            if (silo.LastEpoch > 0) epoch = Math.Max(epoch, silo.LastEpoch + EpochsOfPredecessor);
        }

        return true;
    }

    private static ulong LastEpoch(SilosView view) => view.Members.Select(silo => silo.LastEpoch).DefaultIfEmpty().Max();

    /// <summary>Until a member comes or goes, a pipeline is lost, or a waiting time may have passed.</summary>
    private async Task WaitAsync(long version)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
        Task changed = cluster.WaitForChangeAsync(version, waiting.Token);
        Task paused = Task.Delay(TimeSpan.FromMilliseconds(250), time, waiting.Token);
        Task owned = ownership.WaitAsync(waiting.Token);
        Task asked = requests.Reader.WaitToReadAsync(waiting.Token).AsTask();
        IEnumerable<Task> lost = replicas.Select(replica => replica.Pipeline).OfType<Pipeline>().Select(pipeline => pipeline.Lost);
        IEnumerable<Task> moves = replicas.Select(replica => replica.Move).OfType<Move>().Select(move => move.Prepared);
        IEnumerable<Task> openings = replicas.Select(replica => replica.Opening).Where(opening => !opening.IsCompleted);
        await Task.WhenAny([changed, paused, asked, owned, .. lost, .. moves, .. openings, .. admission.InFlight]).ConfigureAwait(false);
        await waiting.CancelAsync().ConfigureAwait(false);
        await asked.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await owned.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await changed.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>
    /// Clears away a pipeline that has ended. Links and heartbeats tell whether the stages of an open one live, and the directory has
    /// no say in it; of stages that load it alone tells.
    /// </summary>
    private async Task RemoveLostAsync(Replica replica, SilosView view, HashSet<string> present)
    {
        if (replica.Pipeline is not { } pipeline) return;
        if (!pipeline.Ready && pipeline.Plan.FirstOrDefault(stage => !present.Contains(stage.Member.Instance)) is { } gone)
            pipeline.Fail($"Silo {gone.Member.Name} left the cluster.");
        if (!pipeline.Lost.IsCompleted) return;
        await DropMoveAsync(replica).ConfigureAwait(false);
        string reason = await pipeline.Lost.ConfigureAwait(false);
        bool worked = pipeline.Ready;
        admission.Doubt(pipeline.Plan.Select(stage => stage.Member));
        await CloseAsync(replica).ConfigureAwait(false);
        if (pipeline.Unfit is { } silo)
        {
            unfit.Add(silo.Instance);
            if (pipeline.Silent) silent[silo.Instance] = time.GetTimestamp() + (long)(Silence.TotalSeconds * time.TimestampFrequency);
        }

        if (worked)
        {
            replica.WithoutPipelineSince = time.GetTimestamp();
            replica.FailedPlans = 0;
            replica.LastFailure = null;
            replica.Heritage = pipeline.Heritage;
            Log.Lost(logger, replica.Number, pipeline.Epoch, reason);
        }
        else
        {
            replica.FailedPlans++;

            // Said once for each reason, not at every attempt.
            if (reason != replica.LastFailure) Log.NotOpened(logger, replica.Number, pipeline.Epoch, reason);
            replica.LastFailure = reason;
            replica.FailedVersion = view.Version;
            double pause = Math.Min(0.1 * Math.Pow(2, replica.FailedPlans), LongestPause.TotalSeconds);
            replica.NotBefore = time.GetTimestamp() + (long)(pause * time.TimestampFrequency);
        }

        replica.Reason = reason;
    }

    /// <summary>Says of which silos only their links tell that they live.</summary>
    private void TellMissing(HashSet<string> present)
    {
        Dictionary<string, string> now = replicas.Select(replica => replica.Pipeline).OfType<Pipeline>()
            .Where(pipeline => pipeline is { Ready: true, Lost.IsCompleted: false })
            .SelectMany(pipeline => pipeline.Plan)
            .Where(stage => !present.Contains(stage.Member.Instance))
            .ToDictionary(stage => stage.Member.Instance, stage => stage.Member.Name);
        foreach ((_, string name) in now.Where(silo => !missing.ContainsKey(silo.Key))) Log.Missing(logger, name);
        foreach ((_, string name) in missing.Where(silo => present.Contains(silo.Key))) Log.Back(logger, name);
        missing = now;
    }

    private static async Task CloseAsync(Replica replica)
    {
        if (replica.Pipeline is not { } pipeline) return;
        pipeline.Fail("The pipeline was closed.");
        await replica.Opening.ConfigureAwait(false);
        await pipeline.DisposeAsync().ConfigureAwait(false);
        replica.Pipeline = null;
    }

    private void TryPlan(Replica replica, SilosView view)
    {
        List<Member> unused = Usable(replica);
        if (replica.Heritage is { } heritage && replica.FailedPlans < MostRepairs
            && planner.Repair(heritage, unused, IsFit) is { } repaired)
        {
            Open(replica, repaired, view);
            return;
        }

        List<Member> free = [.. unused.GroupBy(silo => silo.Profile).MaxBy(profile => profile.Count()) ?? Enumerable.Empty<Member>()];
        int target = Math.Min(Share(replica.Number, settings.ExpectedSilos), planner.MostStages);

        // Drained ones are not waited for: they are there.
        int awaited = Math.Min(Share(replica.Number, settings.ExpectedSilos - Drained.Count), target);
        bool patient = time.GetElapsedTime(replica.WithoutPipelineSince) < settings.SiloWait;
        if (free.Count < awaited && (patient || free.Count == 0 || settings.Ranges is not null))
        {
            replica.Reason = string.Join(' ', [$"Waiting for silos: {free.Count} of {awaited} are there.", .. admission.Refusals]);
            return;
        }

        try
        {
            HashSet<Member> chosen = [.. free.Take(target)];
            PipelinePlan plan = planner.Plan(
                [.. silos.Where(chosen.Contains)], replica.FailedPlans < MostRepairs ? replica.Heritage : null, IsFit);
            replica.Heritage = plan.Inherits;
            Open(replica, plan, view);
        }
        catch (PlacementException e)
        {
            replica.Misfit = e;
            if (replica.Reason != e.Message) Log.DoesNotFit(logger, replica.Number, e.Message);
            replica.Reason = e.Message;
        }
    }

    private void Open(Replica replica, PipelinePlan plan, SilosView view)
    {
        epoch = Math.Max(epoch, LastEpoch(view)) + 1;
        replica.Misfit = null;
        replica.Pipeline = Pipeline.Create(replica.Number, epoch, plan, time);
        replica.Reason = replica.LastFailure is { } failure
            ? $"The silos are loading their layers again, after this: {failure}"
            : "The silos are loading their layers.";
        replica.Opening = OpenAsync(replica, replica.Pipeline);
    }

    /// <summary>The silos that a replica may be planned with: those that no other uses, the fit ones first.</summary>
    private List<Member> Usable(Replica replica) =>
    [
        .. silos.Where(silo => IsFree(silo) && !replicas.Any(other => other != replica && other.Uses(silo))).OrderByDescending(IsFit),
    ];

    private bool IsFit(Member silo) => !unfit.Contains(silo.Instance);

    private bool IsSilent(Member silo) => silent.TryGetValue(silo.Instance, out long until) && time.GetTimestamp() < until;

    /// <summary>How many of the expected silos belong to a replica.</summary>
    private int Share(int replica, int expected) =>
        Math.Max(1, (expected / settings.Replicas) + (replica < expected % settings.Replicas ? 1 : 0));

    private async Task OpenAsync(Replica replica, Pipeline pipeline)
    {
        string stages = string.Join(", ", pipeline.Plan.Select(stage => Text(stage, pipeline.Whole.Inherits)));
        Log.Opening(logger, replica.Number, pipeline.Epoch, stages);
        try
        {
            HeldBlocks held = pipeline.Whole.Inherits is null
                ? default
                : await replica.Engine.FitAsync(pipeline.KvBlocks).ConfigureAwait(false);
            await Task.Run(() => pipeline.OpenAsync(settings.Identity, cluster, held, stopping.Token)).ConfigureAwait(false);
            replica.Engine.Attach(pipeline);
            Log.Ready(logger, replica.Number, pipeline.Epoch);
        }
#pragma warning disable CA1031 // A failure is a value: whatever kept the pipeline from opening is the reason that it is lost.
        catch (Exception e)
#pragma warning restore CA1031
        {
            pipeline.Fail(Brief.Of(e));
        }
    }

    private static string Text(PlannedStage stage, Heritage? heritage)
    {
        LayerSpan? before = stage.KeepsBlocks ? heritage?.Plan.Stages.First(old => old.Member.Name == stage.Member.Name).Span : null;
        return $"{stage.Member.Name} {stage.Span.First}-{stage.Span.End}"
            + (before is not { } had ? "" : had == stage.Span ? " as before" : $" after {had.First}-{had.End}");
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "Replica {Replica}, epoch {Epoch}: opening {Stages}")]
        public static partial void Opening(ILogger logger, int replica, ulong epoch, string stages);

        [LoggerMessage(2, LogLevel.Information, "Replica {Replica}, epoch {Epoch}: ready")]
        public static partial void Ready(ILogger logger, int replica, ulong epoch);

        [LoggerMessage(3, LogLevel.Warning, "Replica {Replica}, epoch {Epoch}: lost: {Reason}")]
        public static partial void Lost(ILogger logger, int replica, ulong epoch, string reason);

        [LoggerMessage(4, LogLevel.Warning, "Replica {Replica}, epoch {Epoch}: not opened: {Reason}")]
        public static partial void NotOpened(ILogger logger, int replica, ulong epoch, string reason);

        [LoggerMessage(5, LogLevel.Warning, "Replica {Replica}: {Reason}")]
        public static partial void DoesNotFit(ILogger logger, int replica, string reason);

        [LoggerMessage(7, LogLevel.Information, "Silo {Silo} is drained: it gets no layers any more, and others take those that it has")]
        public static partial void Drains(ILogger logger, string silo);

        [LoggerMessage(8, LogLevel.Warning, "Replica {Replica}: its layers stay where they are: {Reason}")]
        public static partial void NotMoved(ILogger logger, int replica, string reason);

        [LoggerMessage(
            9, LogLevel.Warning,
            "Silo {Silo} is no member of the cluster any more; it keeps its layers as long as its links are open and bring heartbeats")]
        public static partial void Missing(ILogger logger, string silo);

        [LoggerMessage(10, LogLevel.Information, "Silo {Silo} is a member of the cluster again")]
        public static partial void Back(ILogger logger, string silo);

        [LoggerMessage(6, LogLevel.Error, "Planning failed; it goes on with the next change")]
        public static partial void Failed(ILogger logger, Exception exception);
    }
}
