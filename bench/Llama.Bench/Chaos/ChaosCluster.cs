using System.Text.Json;
using Llama.Bench.Processes;
using Llama.Grains.Gateway;

namespace Llama.Bench.Chaos;

/// <summary>A gateway and silos as processes of this machine, each silo behind a proxy.</summary>
internal sealed class ChaosCluster : IAsyncDisposable
{
    private static readonly TimeSpan ReadyDeadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan QuietDeadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly HttpClient http;
    private readonly Func<ChaosProcess> startGateway;
    private readonly List<ChaosSilo> silos = [];
    private readonly int permanent;
    private ChaosProcess? gateway;

    /// <summary>Starts it.</summary>
    /// <param name="options">What the user wants.</param>
    /// <param name="say">Takes each line that a process writes.</param>
    /// <param name="fault">Takes what a process did wrong.</param>
    /// <exception cref="FileNotFoundException">A program is not beside this one.</exception>
    public ChaosCluster(ChaosOptions options, Action<string> say, Action<string> fault)
    {
        permanent = options.Silos + options.Standbys;
        int port = FreePort.Choose();
        var programs = new ClusterPrograms
        {
            Model = options.Model,
            Silos = options.Silos,
            KvMemory = options.KvMemory,
            Cluster = options.Cluster,
            Port = port,
        };
        Address = new Uri(programs.Url);
        http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = Address, Timeout = TimeSpan.FromSeconds(5) };
        startGateway = () => Start(programs.Gateway());
        gateway = startGateway();
        for (int number = 1; number <= permanent + ChaosSchedule.Joining; number++)
        {
            var silo = new ChaosSilo(programs.Silo(number), Start);
            silos.Add(silo);
            if (number <= permanent) silo.Start();
        }

        ChaosProcess Start(ChildCommand command) => new(command, say, fault);
    }

    /// <summary>The gateway's.</summary>
    public Uri Address { get; }

    /// <summary>The processes that run.</summary>
    public IEnumerable<ChaosProcess> Processes => silos.Select(silo => silo.Process).Prepend(gateway).OfType<ChaosProcess>();

    /// <summary>Begins a disturbance.</summary>
    public Task BeginAsync(ChaosEvent item) =>
        item.Action == ChaosAction.KillGateway ? KillGatewayAsync() : silos[item.Silo - 1].BeginAsync(item.Action);

    /// <summary>Ends it.</summary>
    public Task EndAsync(ChaosEvent item)
    {
        if (item.Action != ChaosAction.KillGateway) return silos[item.Silo - 1].EndAsync(item.Action);
        gateway = startGateway();
        return Task.CompletedTask;
    }

    /// <summary>Waits until every silo has its place.</summary>
    /// <exception cref="InvalidDataException">That does not come about.</exception>
    public Task ReadyAsync(CancellationToken stopping) => UntilAsync(
        "ready with all silos", ReadyDeadline,
        status => status.Ready && status.Pipelines.Sum(pipeline => pipeline.Stages.Count) + status.Standby.Count == permanent, stopping);

    /// <summary>Waits until nothing runs, and every block is free.</summary>
    /// <exception cref="InvalidDataException">That does not come about.</exception>
    public Task QuietAsync(CancellationToken stopping) => UntilAsync(
        "quiet with all blocks free", QuietDeadline,
        status => status.Pipelines.All(pipeline =>
            pipeline is { Running: 0, Waiting: 0, Blocks: > 0 } && pipeline.FreeBlocks == pipeline.Blocks),
        stopping);

    /// <summary>Asks all to end, the silos first, and waits until they have.</summary>
    public async Task StopAsync()
    {
        await Task.WhenAll(silos.Select(silo => silo.LeaveAsync())).ConfigureAwait(false);
        if (gateway is { } process) await process.StopAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (ChaosSilo silo in silos) await silo.DisposeAsync().ConfigureAwait(false);
        await KillGatewayAsync().ConfigureAwait(false);
        http.Dispose();
    }

    private async Task KillGatewayAsync()
    {
        if (gateway is not { } process) return;
        gateway = null;
        await process.DisposeAsync().ConfigureAwait(false);
    }

    private async Task UntilAsync(string what, TimeSpan deadline, Func<ClusterStatus, bool> condition, CancellationToken stopping)
    {
        long since = Environment.TickCount64;
        string last = "no answer";
        while (Environment.TickCount64 - since < deadline.TotalMilliseconds)
        {
            try
            {
                last = await http.GetStringAsync(new Uri("cluster", UriKind.Relative), stopping).ConfigureAwait(false);
                ClusterStatus? status = JsonSerializer.Deserialize<ClusterStatus>(
                    last, JsonSerializerOptions.Web);
                if (status is not null && condition(status)) return;
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !stopping.IsCancellationRequested)
            {
                last = e.Message;
            }

            await Task.Delay(Pause, stopping).ConfigureAwait(false);
        }

        throw new InvalidDataException($"The cluster is not {what} within {deadline.TotalSeconds:0} s: {last}");
    }
}
