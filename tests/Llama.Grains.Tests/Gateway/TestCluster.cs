using System.Diagnostics.CodeAnalysis;
using Llama.Grains.Directory;
using Llama.Grains.Gateway;
using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Directory;
using Llama.Grains.Tests.Links;
using Llama.Model.Checkpoints;
using Llama.Model.Weights;
using Llama.Tests;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Gateway;

/// <summary>A whole cluster in this process, with real links between its parts. Nobody's lease ends before the test says so.</summary>
internal sealed class TestCluster : IAsyncDisposable
{
    private readonly EmbeddedDirectory directory = new(new ManualTime());
    private readonly Dictionary<string, (SiloNode Node, ILease Lease)> silos = [];
    private readonly ClusterSettings settings;
    private readonly long logMemory;
    private Ownership ownership;

    public TestCluster(
        TestModel model, int silos = 1, int replicas = 1, double waitSeconds = 60,
        IReadOnlyList<LayerSpan>? ranges = null, EngineLimits? limits = null, long kvMemory = 4 << 20, ElementType kvType = ElementType.F32,
        long logMemory = 4 << 20)
    {
        Model = model;
        this.logMemory = logMemory;
        settings = new ClusterSettings
        {
            ModelName = "test",
            Config = model.Config,
            ElementBytes = 4,
            Identity = LinkPair.Identity("gateway", fingerprint: model.Fingerprint, kvType: kvType),
            Replicas = replicas,
            ExpectedSilos = silos,
            SiloWait = TimeSpan.FromSeconds(waitSeconds),
            Limits = limits ?? new EngineLimits(),
            Ranges = ranges,
            KvMemory = kvMemory,
        };
        Grain = StartGrain();
    }

    public TestModel Model { get; }

    /// <summary>What the gateway said.</summary>
    public RecordingLogger Logger { get; } = new();

    public GatewayGrain Grain { get; private set; }

    public ClusterStatus Status => Grain.Status;

    public ClusterPlan Plan => Grain.Plan;

    /// <summary>What a replica's stages are, as <c>silo first-end</c>.</summary>
    public IEnumerable<string> Stages(int replica = 0) =>
        Status.Pipelines[replica].Stages.Select(stage => $"{stage.Silo} {stage.Layers[0]}-{stage.Layers[1]}");

    /// <summary>A cluster whose silos, <c>silo-1</c> to <c>silo-n</c>, are ready.</summary>
    public static async Task<TestCluster> StartAsync(
        TestModel model, int silos, int replicas = 1, int spares = 0, double waitSeconds = 60, EngineLimits? limits = null,
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
        var node = new SiloNode(
            new SiloSettings
            {
                Identity = LinkPair.Identity(name, fingerprint: fingerprint ?? Model.Fingerprint, kvType: settings.Identity.KvType),
                OpenCheckpoint = () =>
                {
                    loading?.Invoke();
                    return Checkpoint.Open(folder ?? Model.Folder, new CheckpointOptions());
                },
                Profile = profile ?? Model.Profile,
                Threads = 1,
                Rates = Members.Rates,
                LogMemory = logMemory,
                Advertise = advertise,
            },
            NullLogger.Instance);
        silos.Add(name, (node, directory.Join(node.Member)));
        return node;
    }

    /// <summary>Ends a silo, as a process that is killed: its links close, and it leaves the directory.</summary>
    public async Task KillAsync(string name)
    {
        await DisconnectAsync(name);
        silos[name].Lease.Dispose();
        silos.Remove(name);
    }

    /// <summary>Ends a silo's lease, and nothing else of it.</summary>
    public void Forget(string name) => silos[name].Lease.Dispose();

    /// <summary>Writes a silo's entry again, under a new lease.</summary>
    /// <param name="name">The silo.</param>
    /// <param name="instance">Another process than it was; null for the same.</param>
    public void Return(string name, string? instance = null)
    {
        SiloNode node = silos[name].Node;
        silos[name] = (node, directory.Join(node.Member with { Instance = instance ?? node.Member.Instance }));
    }

    /// <summary>What the directory has under a key; null for nothing.</summary>
    public string? Entry(string key) => directory.View.Entries.GetValueOrDefault(key)?.Value;

    /// <summary>Waits until the gateway has said something.</summary>
    public Task SaidAsync(string part) => Patience.UntilAsync(
        () => Logger.Messages.Any(message => message.Contains(part, StringComparison.Ordinal)), () => $"'{part}' was not said.");

    /// <summary>Ends a silo's links, of which the directory does not hear.</summary>
    public async Task DisconnectAsync(string name) => await silos[name].Node.DisposeAsync().Soon();

    /// <summary>Stops the gateway and starts another that has the same directory, where silos keep their entries up to date.</summary>
    public async Task SucceedGatewayAsync()
    {
        await StopGrainAsync();
        foreach ((SiloNode node, ILease lease) in silos.Values)
        {
            string key = node.Member.Key;
            Assert.True(directory.TryPut(key, node.Member.ToText(), directory.View.Entries[key].Revision, lease.Id, out _));
        }

        Grain = StartGrain();
    }

    /// <summary>Stops the gateway and starts another on the same silos, which join it anew.</summary>
    public async Task RestartGatewayAsync()
    {
        await StopGrainAsync();
        foreach ((string name, (SiloNode node, ILease lease)) in silos.ToList())
        {
            lease.Dispose();
            silos[name] = (node, directory.Join(node.Member));
        }

        Grain = StartGrain();
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
        await foreach (GeneratedToken token in Grain.GenerateAsync(request, Patience.Token))
        {
            tokens.Add(token.Drawn.Token);
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
        await StopGrainAsync();
        foreach ((SiloNode node, ILease lease) in silos.Values)
        {
            lease.Dispose();
            await node.DisposeAsync().Soon();
        }

        directory.Dispose();
    }

    [MemberNotNull(nameof(ownership))]
    private GatewayGrain StartGrain()
    {
        ownership = new Ownership(directory, () => null, NullLogger.Instance);
        return new GatewayGrain(settings, directory, ownership, TimeProvider.System, Logger);
    }

    private async Task StopGrainAsync()
    {
        await Grain.DisposeAsync().Soon();
        await ownership.DisposeAsync().Soon();
    }
}
