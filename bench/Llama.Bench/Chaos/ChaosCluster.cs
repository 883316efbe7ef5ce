using System.Text.Json;
using Llama.Bench.Processes;
using Llama.Grains.Gateway;
using Llama.Grains.Hosting;

namespace Llama.Bench.Chaos;

/// <summary>A gateway, or fronts before two, and silos as processes of this machine, each silo behind a proxy.</summary>
internal sealed class ChaosCluster : IAsyncDisposable
{
    private static readonly TimeSpan ReadyDeadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan QuietDeadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly HttpClient http;
    private readonly Func<int, ChaosProcess> startGateway;
    private readonly ChaosProcess?[] gateways;
    private readonly List<ChaosProcess> fronts = [];
    private readonly List<ChaosSilo> silos = [];
    private readonly int permanent;

    /// <summary>The gateway that is killed next: not the one that was killed last, so that it owns the pipelines, at first perhaps.</summary>
    private int owner;

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
        int[] ports = options.Fronts == 0 ? [port] : [port, FreePort.Choose()];
        startGateway = number => Start((programs with { Port = ports[number] }).Gateway() with
        {
            Name = options.Fronts == 0 ? "gateway" : $"gateway-{number + 1}",
        });
        gateways = [.. ports.Select((_, number) => startGateway(number))];
        int[] frontPorts = [.. Enumerable.Range(0, options.Fronts).Select(_ => FreePort.Choose())];
        foreach (int frontPort in frontPorts) fronts.Add(Start(programs.Front(fronts.Count + 1, frontPort)));
        Addresses = [.. (options.Fronts == 0 ? ports : frontPorts).Select(one => new Uri($"http://127.0.0.1:{one}"))];
        http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = Addresses[0], Timeout = TimeSpan.FromSeconds(5) };
        for (int number = 1; number <= permanent + ChaosSchedule.Joining; number++)
        {
            var silo = new ChaosSilo(programs.Silo(number), Start);
            silos.Add(silo);
            if (number <= permanent) silo.Start();
        }

        ChaosProcess Start(ChildCommand command) => new(command, say, fault);
    }

    /// <summary>Whom clients ask: the fronts, or the gateway.</summary>
    public IReadOnlyList<Uri> Addresses { get; }

    /// <summary>The processes that run.</summary>
    public IEnumerable<ChaosProcess> Processes => [.. gateways.Concat(fronts).Concat(silos.Select(silo => silo.Process)).OfType<ChaosProcess>()];

    /// <summary>Begins a disturbance.</summary>
    public Task BeginAsync(ChaosEvent item) =>
        item.Action == ChaosAction.KillGateway ? KillGatewayAsync(owner) : silos[item.Silo - 1].BeginAsync(item.Action);

    /// <summary>Ends it.</summary>
    public Task EndAsync(ChaosEvent item)
    {
        if (item.Action != ChaosAction.KillGateway) return silos[item.Silo - 1].EndAsync(item.Action);
        gateways[owner] = startGateway(owner);
        owner = (owner + 1) % gateways.Length;
        return Task.CompletedTask;
    }

    /// <summary>What a gateway tells of the cluster.</summary>
    /// <exception cref="HttpRequestException">It does not answer.</exception>
    public async Task<ClusterStatus> StatusAsync(CancellationToken stopping) => JsonSerializer.Deserialize<ClusterStatus>(
        await http.GetStringAsync(new Uri("cluster", UriKind.Relative), stopping).ConfigureAwait(false), JsonSerializerOptions.Web)!;

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
        await Task.WhenAll(gateways.Concat(fronts).OfType<ChaosProcess>().Select(process => process.StopAsync())).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (ChaosSilo silo in silos) await silo.DisposeAsync().ConfigureAwait(false);
        foreach (ChaosProcess front in fronts) await front.DisposeAsync().ConfigureAwait(false);
        for (int number = 0; number < gateways.Length; number++) await KillGatewayAsync(number).ConfigureAwait(false);
        http.Dispose();
    }

    private async Task KillGatewayAsync(int number)
    {
        if (gateways[number] is not { } process) return;
        gateways[number] = null;
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
                ClusterStatus status = await StatusAsync(stopping).ConfigureAwait(false);
                if (condition(status)) return;
                last = JsonSerializer.Serialize(status, JsonSerializerOptions.Web);
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
