using Llama.Grains.Silos;
using Llama.Grains.Stages;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Gateway;

/// <summary>
/// Gives every replica a pipeline: watches who is there, divides the silos among the replicas, and hands out epochs. What becomes of a
/// replica is up to its <see cref="ReplicaMachine"/>. All this only while this process owns the pipelines, and in one loop.
/// </summary>
internal sealed class ClusterController : IAsyncDisposable
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(250);

    private readonly ISilos cluster;
    private readonly DrainMarks marks;
    private readonly SiloPool pool;
    private readonly Epochs epochs = new();
    private readonly IReadOnlyList<ReplicaMachine> machines;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly CancellationTokenSource stopping = new();

    /// <summary>Wakes the loop when who owns the pipelines has changed.</summary>
    private readonly SemaphoreSlim ownership = new(0);

    /// <summary>
    /// Silos (their processes) that this gateway has heard of since it took over. What the others say of a predecessor's plans and marks
    /// counts.
    /// </summary>
    private readonly HashSet<string> heard = new(StringComparer.Ordinal);

    private readonly Task loop;

    /// <summary>Who else owns the pipelines, in a sentence; null when this gateway is to.</summary>
    private volatile string? owner = "No gateway owns the pipelines yet.";
    private volatile bool owns;

    /// <summary>Starts planning.</summary>
    public ClusterController(
        ClusterSettings settings, ISilos cluster, PipelinePlanner planner, IReadOnlyList<Replica> replicas, TimeProvider time, ILogger logger)
    {
        this.cluster = cluster;
        this.time = time;
        this.logger = logger;
        marks = new DrainMarks(cluster);
        pool = new SiloPool(new Admission(settings.Identity, time, logger, stopping.Token), time, logger);
        var division = new SiloDivision(settings, planner, pool, replicas, time);
        var services = new ReplicaServices(settings.Identity, cluster, pool, division, epochs, time, logger, stopping.Token);
        machines = [.. replicas.Select(replica => new ReplicaMachine(replica, services))];
        Changes = new ClusterChanges(pool, division, machines, marks, logger);
        loop = Task.Run(RunAsync);
    }

    /// <summary>Changes that somebody may ask for.</summary>
    public ClusterChanges Changes { get; }

    /// <summary>Counts the plans.</summary>
    public ulong Epoch => epochs.Last;

    /// <summary>Whether this gateway owns the pipelines: it was to when it last looked, and has not been told otherwise since.</summary>
    public bool Owns => owns && owner is null;

    /// <inheritdoc cref="SiloPool.Members"/>
    public IReadOnlyList<Member> Silos => pool.Members;

    /// <inheritdoc cref="SiloPool.Drained"/>
    public IReadOnlyList<Member> Drained => pool.Drained;

    /// <inheritdoc cref="SiloPool.Refused"/>
    public IReadOnlyList<string> Refused => pool.Refused;

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

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await loop.ConfigureAwait(false);
        await marks.Marking.ConfigureAwait(false);
        foreach (ReplicaMachine machine in machines) await machine.LeaveAsync("The gateway stops.").ConfigureAwait(false);
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
                ControllerLog.Failed(logger, e);
            }

            await WaitAsync(view.Version).ConfigureAwait(false);
        }
    }

    private async Task PlanAsync(SilosView view)
    {
        HashSet<string> present = [.. view.Members.Select(silo => silo.Instance)];
        pool.Forget(present);
        foreach (ReplicaMachine machine in machines) await machine.CheckAsync(view, present).ConfigureAwait(false);
        pool.TellMissing(
            present, machines.Where(machine => machine.Replica.IsReady).Select(machine => machine.Replica.Pipeline).OfType<Pipeline>());
        pool.Admit(view);
        if (owner is { } other)
        {
            await LeaveAsync(other).ConfigureAwait(false);
            Changes.Answer(view, other);
            return;
        }

        TakeOver(view);
        Changes.Answer(view, null);
        marks.Update(view, pool.IsDrained);
        await Changes.MoveAsync(view).ConfigureAwait(false);
        if (pool.Expects) return;
        foreach (ReplicaMachine machine in machines) machine.Plan(view);
    }

    private async Task LeaveAsync(string other)
    {
        foreach (ReplicaMachine machine in machines) await machine.LeaveAsync(other).ConfigureAwait(false);
        Changes.FailAll(other);
        owns = false;
        pool.TakeBackAll();
    }

    private void TakeOver(SilosView view)
    {
        if (!owns)
        {
            owns = true;
            heard.Clear();
            foreach (ReplicaMachine machine in machines) machine.Restart();
        }

        // A gateway may take over before it has heard of the silos.
        foreach (Member silo in view.Members.Where(silo => heard.Add(silo.Instance)))
        {
            if (silo.Drained) pool.Drain(silo);
            epochs.Succeed(silo.LastEpoch);
        }
    }

    /// <summary>Until a member comes or goes, a pipeline is lost, or a waiting time may have passed.</summary>
    private async Task WaitAsync(long version)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
        Task changed = cluster.WaitForChangeAsync(version, waiting.Token);
        Task paused = Task.Delay(LongestWait, time, waiting.Token);
        Task owned = ownership.WaitAsync(waiting.Token);
        Task asked = Changes.WaitAsync(waiting.Token);
        IEnumerable<Task> events = machines.SelectMany(machine => machine.Events);
        await Task.WhenAny([changed, paused, asked, owned, .. events, .. pool.InFlight]).ConfigureAwait(false);
        await waiting.CancelAsync().ConfigureAwait(false);
        await asked.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await owned.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await changed.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
