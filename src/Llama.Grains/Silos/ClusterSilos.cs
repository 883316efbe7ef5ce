using System.Collections.Concurrent;
using Llama.Grains.Hosting;
using Llama.Grains.Stages;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Silos;

/// <summary>
/// The silos of the cluster that have devices. Membership tells who is there, and each silo's layer-range grain what it offers; it is asked
/// again every second, because epochs and marks change.
/// </summary>
public sealed partial class ClusterSilos : ISilos, IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>A silo that is well answers within this time.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    private readonly OrleansSilo host;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly PublishedSilos view = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly ConcurrentDictionary<SiloAddress, Member> described = new();
    private readonly ConcurrentDictionary<SiloAddress, string> faults = new();
    private readonly PeerEviction eviction;
    private readonly Task loop;

    /// <summary>Begins to look.</summary>
    /// <param name="host">This process as a silo.</param>
    /// <param name="time">Measures pauses.</param>
    /// <param name="logger">Told of silos that describe themselves badly.</param>
    public ClusterSilos(OrleansSilo host, TimeProvider time, ILogger logger)
    {
        (this.host, this.time, this.logger) = (host, time, logger);
        eviction = new PeerEviction(host, time, logger);
        loop = Task.Run(RunAsync);
    }

    /// <inheritdoc/>
    public SilosView View => view.Now;

    /// <inheritdoc/>
    public Task<SilosView> WaitForChangeAsync(long version, CancellationToken cancellationToken) =>
        view.WaitForChangeAsync(version, cancellationToken);

    /// <inheritdoc/>
    public Task<StageReport> LoadAsync(Member silo, StageAssignment assignment, CancellationToken cancellationToken) =>
        Range(silo).LoadAsync(assignment with { Owner = host.Incarnation?.Address }, cancellationToken).WaitAsync(cancellationToken);

    /// <inheritdoc/>
    public Task MarkAsync(Member silo, bool drained, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(silo);
        return Range(silo).MarkAsync(new DrainMark(silo.Instance, drained), cancellationToken);
    }

    /// <inheritdoc/>
    public void Suspect(Member silo)
    {
        ArgumentNullException.ThrowIfNull(silo);
        foreach ((SiloAddress address, Member member) in described)
        {
            if (member.Instance == silo.Instance) eviction.Suspect(address);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await loop.ConfigureAwait(false);
        await eviction.DisposeAsync().ConfigureAwait(false);
        stopping.Dispose();
    }

    private ILayerRangeGrain Range(Member silo) => host.Grains.GetGrain<ILayerRangeGrain>(SiloNode.RangeKey(silo.Name));

    private async Task RunAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            ClusterView cluster = host.View;
            SiloMember[] silos = [.. cluster.Silos.Where(silo => silo.Status == SiloStatus.Active && silo.Role == SiloRoles.Devices)];
            HashSet<SiloAddress> present = [.. silos.Select(silo => silo.Address)];
            foreach (SiloAddress gone in described.Keys.Except(present)) described.TryRemove(gone, out _);
            foreach (SiloAddress gone in faults.Keys.Except(present)) faults.TryRemove(gone, out _);

            // Who has gone is out of the view at once; who has come is in it when it has answered.
            Publish();
            await Task.WhenAll(silos.Select(DescribeAsync)).ConfigureAwait(false);
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
            Task changed = host.WaitForChangeAsync(cluster.Version, waiting.Token);
            Task paused = Task.Delay(described.Count < silos.Length ? Interval / 10 : Interval, time, waiting.Token);
            await Task.WhenAny(changed, paused).ConfigureAwait(false);
            await waiting.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(changed, paused).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task DescribeAsync(SiloMember silo)
    {
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
            deadline.CancelAfter(Deadline);
            Member member = await host.Grains.GetGrain<ILayerRangeGrain>(SiloNode.RangeKey(silo.Name)).DescribeAsync(deadline.Token)
                .WaitAsync(deadline.Token).ConfigureAwait(false);
            string? fault = member.Name == silo.Name ? member.Fault() : $"Silo '{silo.Name}' says that it is '{member.Name}'.";
            if (fault is null)
            {
                described[silo.Address] = member;
                faults.TryRemove(silo.Address, out _);
            }
            else
            {
                described.TryRemove(silo.Address, out _);
                faults[silo.Address] = fault;
            }

            Publish();
        }
#pragma warning disable CA1031 // A failure is a value: who does not answer is asked again, and membership tells whether it is there.
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (!stopping.IsCancellationRequested) Log.Silent(logger, silo.Name, e.Message);
        }
    }

    private void Publish() => view.Publish(described.Values, faults.Values);

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Debug, "Silo {Silo} does not say what it offers: {Reason}")]
        public static partial void Silent(ILogger logger, string silo, string reason);
    }
}
