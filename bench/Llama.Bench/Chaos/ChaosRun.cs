using System.Diagnostics;
using System.Globalization;

namespace Llama.Bench.Chaos;

/// <summary>One run: records, disturbs, and looks at what is left.</summary>
/// <param name="options">What the user wants.</param>
/// <param name="progress">Takes a line now and then.</param>
/// <param name="log">Takes what the processes say.</param>
internal sealed class ChaosRun(ChaosOptions options, TextWriter progress, TextWriter log)
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);
    private const int LooksOfProgress = 5;

    private readonly ChaosCounts counts = new();
    private readonly List<string> faults = [];
    private readonly Stopwatch watch = new();
    private readonly SortedDictionary<string, int> done = new(StringComparer.Ordinal);
    private readonly IReadOnlyList<ChaosEvent> schedule = ChaosSchedule.Of(options);

    /// <summary>Runs it.</summary>
    /// <exception cref="InvalidDataException">The cluster does not serve even while nothing happens.</exception>
    public async Task<ChaosReport> RunAsync(CancellationToken stopping)
    {
        ChaosEtcd? own = options.EtcdKills > 0 ? new ChaosEtcd(Say, Fault) : null;
        if (own is not null)
        {
            await using (own.ConfigureAwait(false)) return await RunAsync(own.Cluster, own, stopping).ConfigureAwait(false);
        }

        if (options.Cluster is { } cluster) return await RunAsync(cluster, null, stopping).ConfigureAwait(false);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llama-chaos-");
        try
        {
            // The first process makes this one, and so knows that no document was lost there.
            return await RunAsync(Path.Combine(folder.FullName, "members"), null, stopping).ConfigureAwait(false);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private async Task<ChaosReport> RunAsync(string address, ChaosEtcd? etcd, CancellationToken stopping)
    {
        var memory = new MemoryWatch();
        IReadOnlyList<MemoryUse> uses = [];
        var cluster = new ChaosCluster(options with { Cluster = address }, Say, Fault);
        await using (cluster.ConfigureAwait(false))
        {
            using var client = new ChaosClient(cluster.Addresses, asksAgain: options is { GatewayKills: > 0, Fronts: 0 });
            await cluster.ReadyAsync(stopping).ConfigureAwait(false);
            await client.RecordAsync(stopping).ConfigureAwait(false);
            watch.Start();
            using var watching = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            Task looking = LookAsync(cluster, memory, watching.Token);
            Task[] sending = [.. Enumerable.Range(0, options.Clients).Select(number => ClientAsync(client, number, stopping))];
            await Task.WhenAll([DisturbAsync(cluster, etcd, stopping), .. sending]).ConfigureAwait(false);
            watch.Stop();
            await watching.CancelAsync().ConfigureAwait(false);
            await looking.ConfigureAwait(false);
            try
            {
                await cluster.ReadyAsync(stopping).ConfigureAwait(false);
                await cluster.QuietAsync(stopping).ConfigureAwait(false);
            }
            catch (InvalidDataException e)
            {
                Fault(e.Message);
            }

            uses = memory.Of(cluster.Processes);
            foreach (MemoryUse use in uses.Where(use => !use.IsFlat)) Fault($"{use.Name} grew from {use.Warm:F0} to {use.End:F0} MiB");
            await cluster.StopAsync().ConfigureAwait(false);
        }

        return Report(uses);
    }

    private ChaosReport Report(IReadOnlyList<MemoryUse> uses)
    {
        lock (faults)
        {
            return new ChaosReport
            {
                Seed = options.Seed,
                Seconds = watch.Elapsed.TotalSeconds,
                Requests = counts.Begun,
                Answered = counts.Answered,
                Cancelled = counts.Cancelled,
                Failed = counts.Failed,
                Events = done,
                Memory = uses,
                Faults = [.. counts.Faults, .. faults],
            };
        }
    }

    private async Task ClientAsync(ChaosClient client, int number, CancellationToken stopping)
    {
        var random = new Random(unchecked((options.Seed * 1_000_003) + number));
        while (watch.Elapsed.TotalSeconds < options.Seconds) await client.SendAsync(random, counts, stopping).ConfigureAwait(false);
    }

    private Task DisturbAsync(ChaosCluster cluster, ChaosEtcd? etcd, CancellationToken stopping) =>
        Task.WhenAll(schedule.Select(item => DisturbAsync(cluster, etcd, item, stopping)));

    private async Task DisturbAsync(ChaosCluster cluster, ChaosEtcd? etcd, ChaosEvent item, CancellationToken stopping)
    {
        bool isEtcd = item.Action is ChaosAction.KillEtcd or ChaosAction.HangEtcd or ChaosAction.EmptyEtcd;
        string whom = item.Silo == 0 ? "" : $" silo-{item.Silo}";
        string what = string.Create(CultureInfo.InvariantCulture, $"{item.Action}{whom} for {item.Lasts.TotalSeconds:0.0} s");
        await DelayUntilAsync(item.At, stopping).ConfigureAwait(false);
        Say($"{watch.Elapsed.TotalSeconds:000.0} begin {what}");
        await (isEtcd ? etcd!.BeginAsync(item.Action) : cluster.BeginAsync(item)).ConfigureAwait(false);
        lock (done) done[item.Action.ToString()] = done.GetValueOrDefault(item.Action.ToString()) + 1;
        await DelayUntilAsync(item.At + item.Lasts, stopping).ConfigureAwait(false);
        Say($"{watch.Elapsed.TotalSeconds:000.0} end {what}");
        if (isEtcd) etcd!.End(item.Action);
        else await cluster.EndAsync(item).ConfigureAwait(false);
    }

    private async Task DelayUntilAsync(TimeSpan at, CancellationToken stopping)
    {
        if (at - watch.Elapsed is { Ticks: > 0 } wait) await Task.Delay(wait, stopping).ConfigureAwait(false);
    }

    private async Task LookAsync(ChaosCluster cluster, MemoryWatch memory, CancellationToken stopping)
    {
        for (int look = 1; !stopping.IsCancellationRequested; look++)
        {
            await Task.Delay(Look, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            memory.Look(cluster.Processes);
            if (look % LooksOfProgress != 0) continue;
            int disturbances;
            lock (done) disturbances = done.Values.Sum();
            await progress.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture,
                $"{watch.Elapsed.TotalSeconds,4:F0} s: {counts.Begun} requests, {counts.Answered} answered, {counts.Cancelled} given up,"
                + $" {counts.Failed} failed; {disturbances} of {schedule.Count} disturbances; {string.Join(", ", memory.Of(cluster.Processes)
                    .Select(use => $"{use.Name} {use.End:F0} MiB"))}")).ConfigureAwait(false);
        }
    }

    private void Say(string line)
    {
        lock (log) log.WriteLine(line);
    }

    private void Fault(string fault)
    {
        Say($"FAULT {fault}");
        lock (faults) faults.Add(fault);
    }
}
