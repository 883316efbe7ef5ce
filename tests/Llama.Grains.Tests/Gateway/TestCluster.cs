using Llama.Grains.Answers;
using Llama.Grains.Gateway;
using Llama.Grains.Generation;
using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Links;
using Llama.Grains.Tests.Silos;
using Llama.Grains.Text;
using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Weights;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Gateway;

/// <summary>A whole cluster in this process, with real links between its parts. Silos come and go when the test says so.</summary>
internal sealed class TestCluster : IAsyncDisposable
{
    private readonly ClusterSettings settings;
    private readonly long logMemory;
    private readonly List<LocalGateway> gateways = [];

    public TestCluster(
        TestModel model, int silos = 1, int replicas = 1, double waitSeconds = 60,
        IReadOnlyList<LayerSpan>? ranges = null, SchedulerLimits? limits = null, long kvMemory = 4 << 20, ElementType kvType = ElementType.F32,
        long logMemory = 4 << 20)
    {
        Model = model;
        this.logMemory = logMemory;
        settings = new ClusterSettings
        {
            ModelName = "test",
            Config = model.Config,
            Grammars = new Grammars(model, model.Config.EndTokens),
            ElementBytes = 4,
            Identity = LinkPair.Identity("gateway", fingerprint: model.Fingerprint, kvType: kvType),
            Replicas = replicas,
            ExpectedSilos = silos,
            SiloWait = TimeSpan.FromSeconds(waitSeconds),
            Limits = limits ?? new SchedulerLimits(),
            Ranges = ranges,
            KvMemory = kvMemory,
        };
        Gateway = StartGateway();
        Gateway.Own();
    }

    public TestModel Model { get; }

    /// <summary>What the gateways said.</summary>
    public RecordingLogger Logger { get; } = new();

    public TestSilos Silos { get; } = new();

    /// <summary>The gateway that owns the pipelines.</summary>
    public LocalGateway Gateway { get; private set; }

    public ClusterStatus Status => Gateway.Status;

    public ClusterPlan Plan => Gateway.Plan;

    /// <summary>What was computed again at each loss and each change, as the gateways said, in order.</summary>
    public IReadOnlyList<Recomputation> Recomputations =>
    [
        .. Logger.Events("Recovered").Select(values => new Recomputation(
            (int)values["First"]!, (int)values["End"]!, (int)values["Rebuilt"]!, (int)values["Recomputed"]!)),
    ];

    /// <summary>Names of the silos that the gateway plans with.</summary>
    public IEnumerable<string> PlannedWith => Gateway.Report(new SiloProcess("gateway", "1")).Silos.Select(silo => silo.Name);

    /// <summary>What a replica's stages are, as <c>silo first-end</c>.</summary>
    public IEnumerable<string> Stages(int replica = 0) =>
        Status.Pipelines[replica].Stages.Select(stage => $"{stage.Silo} {stage.Layers[0]}-{stage.Layers[1]}");

    /// <summary>A cluster whose silos, <c>silo-1</c> to <c>silo-n</c>, are ready.</summary>
    public static async Task<TestCluster> StartAsync(
        TestModel model, int silos, int replicas = 1, int spares = 0, double waitSeconds = 60, SchedulerLimits? limits = null,
        long kvMemory = 4 << 20, ElementType kvType = ElementType.F32, long logMemory = 4 << 20)
    {
        var cluster = new TestCluster(
            model, silos, replicas, waitSeconds, limits: limits, kvMemory: kvMemory, kvType: kvType, logMemory: logMemory);
        for (int i = 1; i <= silos + spares; i++) cluster.AddSilo($"silo-{i}");
        await cluster.ReadyAsync();
        return cluster;
    }

    public SiloNode AddSilo(
        string name, string? folder = null, string? fingerprint = null, string? advertise = null, string? profile = null,
        Action? loading = null)
    {
        var device = new CpuDevice(1);
        DeviceOffer offer;
        using (Checkpoint checkpoint = Model.Open()) offer = device.Offer(checkpoint, settings.Identity.Model.KvType);
        var node = new SiloNode(
            new SiloSettings
            {
                Identity = LinkPair.Identity(name, fingerprint: fingerprint ?? Model.Fingerprint, kvType: settings.Identity.Model.KvType),
                OpenCheckpoint = () =>
                {
                    loading?.Invoke();
                    return Checkpoint.Open(folder ?? Model.Folder, new CheckpointOptions());
                },
                Device = device,
                Offer = profile is null ? offer : offer with { Profile = profile },
                Rates = Members.Rates,
                LogMemory = logMemory,
                Advertise = advertise,
            },
            NullLogger.Instance);
        Silos.Add(node);
        return node;
    }

    /// <summary>Ends a silo, as a process that is killed: its links close, it answers no calls, and is seen no more.</summary>
    public async Task KillAsync(string name)
    {
        await DisconnectAsync(name);
        Silos.Remove(name);
    }

    /// <summary>Ends a silo's links, which the view does not show.</summary>
    public async Task DisconnectAsync(string name) => await Silos[name].DisposeAsync().Soon();

    /// <summary>Another gateway process, which owns nothing yet.</summary>
    public LocalGateway StartGateway()
    {
        var gateway = new LocalGateway(settings, Silos, Silos, TimeProvider.System, Logger);
        gateways.Add(gateway);
        return gateway;
    }

    /// <summary>Stops the gateway and has another own the pipelines, which sees the same silos.</summary>
    public async Task SucceedGatewayAsync()
    {
        await ReplaceGatewayAsync();
        Gateway.Own();
    }

    /// <summary>Stops the gateway and puts another in its place, which owns nothing yet.</summary>
    public async Task<LocalGateway> ReplaceGatewayAsync()
    {
        await StopGatewayAsync();
        return Gateway = StartGateway();
    }

    /// <summary>Stops the gateway and has another own the pipelines, which hears of the same silos only then.</summary>
    public async Task RestartGatewayAsync()
    {
        await StopGatewayAsync();
        string[] names = [.. Silos.View.Members.Select(silo => silo.Name)];
        foreach (string name in names) Silos.Forget(name);
        Gateway = StartGateway();
        Gateway.Own();
        await Patience.UntilAsync(() => Gateway.Owns, () => "The gateway does not own the pipelines.");
        foreach (string name in names) Silos.Return(name);
    }

    public Task ReadyAsync() => Patience.UntilAsync(
        () => Status.Pipelines.All(pipeline => pipeline.Stages.Count > 0 && pipeline.Stages.All(stage => stage.State == "ready")),
        () => $"Not ready: {Status.Reason}");

    /// <summary>Waits until the cluster says that it is not ready because of something.</summary>
    public Task ReasonAsync(string part) => Patience.UntilAsync(
        () => Status.Reason?.Contains(part, StringComparison.Ordinal) ?? false, () => $"'{part}' is not in: {Status.Reason}");

    public async Task<List<int>> GenerateAsync(GenerationRequest request, Func<int, Task>? atToken = null)
    {
        var tokens = new List<int>();
        await foreach (GeneratedToken token in Gateway.GenerateAsync(request, Patience.Token))
        {
            tokens.Add(token.Sampled.Token);
            if (atToken is not null) await atToken(tokens.Count);
        }

        return tokens;
    }

    /// <summary>Every golden prompt gives its golden tokens.</summary>
    public async Task AssertGoldenAsync()
    {
        for (int prompt = 0; prompt < Model.Golden.Count; prompt++)
            Assert.Equal(Model.Golden[prompt].Greedy, await GenerateAsync(Model.Request(prompt)).Soon());
    }

    public async ValueTask DisposeAsync()
    {
        foreach (LocalGateway gateway in gateways) await gateway.DisposeAsync().Soon();
        foreach (SiloNode node in Silos.Nodes) await node.DisposeAsync().Soon();
    }

    private async Task StopGatewayAsync()
    {
        gateways.Remove(Gateway);
        await Gateway.DisposeAsync().Soon();
    }
}

/// <summary>What was computed again after a loss.</summary>
/// <param name="First">First of the layers that alone were computed again.</param>
/// <param name="End">The layer after the last of them.</param>
/// <param name="Rebuilt">Positions that were computed again in these layers only.</param>
/// <param name="Everywhere">Positions that were computed again in all layers.</param>
internal sealed record Recomputation(int First, int End, int Rebuilt, int Everywhere);
