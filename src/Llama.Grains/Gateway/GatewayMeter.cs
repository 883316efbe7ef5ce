using System.Diagnostics.Metrics;
using Llama.Grains.Scheduling;
using Llama.Grains.Telemetry;

namespace Llama.Grains.Gateway;

/// <summary>
/// What a gateway tells when it is asked: counts of all that it has done, and, only while it owns the pipelines, how they are, so that the sum
/// over all gateways is right. The figures are those of <see cref="ClusterStatus"/>.
/// </summary>
internal sealed class GatewayMeter : IDisposable
{
    private const string Replica = "llama.replica";
    private readonly Meter meter = new(Instruments.Name);
    private readonly IReadOnlyList<Replica> replicas;
    private readonly ClusterController controller;

    /// <summary>Begins to answer.</summary>
    /// <param name="replicas">The replicas.</param>
    /// <param name="controller">Knows the silos.</param>
    /// <param name="isReady">Whether a request would be answered now.</param>
    /// <param name="standby">Counts the silos that stand by.</param>
    public GatewayMeter(IReadOnlyList<Replica> replicas, ClusterController controller, Func<bool> isReady, Func<int> standby)
    {
        (this.replicas, this.controller) = (replicas, controller);
        Count("llama.prompt.tokens", "{token}", "Tokens of prompts that were computed or found in the cache.", counts => counts.PromptTokens);
        Count("llama.prompt.cached_tokens", "{token}", "Tokens of prompts that were found in the prefix cache.", counts => counts.CachedPromptTokens);
        Count("llama.generated.tokens", "{token}", "Tokens that were sampled.", counts => counts.SampledTokens);
        Count("llama.preemptions", "{preemption}", "Times that a sequence lost its KV blocks to another.", counts => counts.Preemptions);
        Count("llama.pipeline.losses", "{loss}", "Pipelines that were lost, moves not counted.", counts => counts.Losses);
        meter.CreateObservableCounter(
            "llama.pipeline.active.time", () => OfReplicas(counts => counts.ActiveTime.TotalSeconds), Instruments.Seconds,
            "Time in which a pipeline had steps in flight.");
        meter.CreateObservableCounter(
            "llama.stage.busy.time", BusyTimes, Instruments.Seconds, "Time in which a stage computed layers, since it loaded them.");
        Gauge("llama.sequences.running", "{sequence}", "Sequences that hold KV blocks.", () => OfReplicas<long>(counts => counts.Running));
        Gauge("llama.sequences.waiting", "{sequence}", "Sequences that wait for KV blocks or a pipeline.", () => OfReplicas<long>(counts => counts.Waiting));
        Gauge("llama.kv.blocks", "{block}", "KV blocks of each stage, by state.", () => replicas.SelectMany(Blocks));
        Gauge("llama.epoch", "{plan}", "Number of the present plan.", () => [new((long)controller.Epoch)]);
        Gauge("llama.ready", "{pipeline}", "1 when a request would be answered now, else 0.", () => [new(isReady() ? 1 : 0)]);
        Gauge("llama.silos", "{silo}", "Silos, by what they are for.", () =>
        [
            State(replicas.Sum(replica => replica.Pipeline?.Plan.Count ?? 0), "stage"), State(standby(), "standby"),
            State(controller.Drained.Count, "drained"), State(controller.Refused.Count, "refused"),
        ]);
    }

    /// <inheritdoc/>
    public void Dispose() => meter.Dispose();

    private static Measurement<long> State(long value, string state) => new(value, new KeyValuePair<string, object?>("llama.state", state));

    private static IEnumerable<Measurement<long>> Blocks(Replica replica)
    {
        if (replica.Pipeline is not { Ready: true } pipeline) return [];
        SchedulerCounts counts = replica.Engine.Counts;
        return
        [
            Block(pipeline.KvBlocks - counts.FreeBlocks, "used"), Block(counts.CachedBlocks, "cached"),
            Block(counts.FreeBlocks - counts.CachedBlocks, "empty"),
        ];

        Measurement<long> Block(int value, string state) =>
            new(value, new KeyValuePair<string, object?>(Replica, replica.Number), new KeyValuePair<string, object?>("llama.state", state));
    }

    private void Count(string name, string unit, string description, Func<SchedulerCounts, long> figure) =>
        meter.CreateObservableCounter(name, () => OfReplicas(figure), unit, description);

    private void Gauge(string name, string unit, string description, Func<IEnumerable<Measurement<long>>> figures) =>
        meter.CreateObservableGauge(name, () => controller.Owns ? figures() : [], unit, description);

    private IEnumerable<Measurement<T>> OfReplicas<T>(Func<SchedulerCounts, T> figure)
        where T : struct =>
        replicas.Select(replica => new Measurement<T>(
            figure(replica.Engine.Counts), new KeyValuePair<string, object?>(Replica, replica.Number)));

    private IEnumerable<Measurement<double>> BusyTimes() =>
        from replica in replicas
        where controller.Owns && replica.Pipeline is { Ready: true }
        let pipeline = replica.Pipeline
        from stage in Enumerable.Range(0, pipeline.Plan.Count)
        select new Measurement<double>(
            pipeline.Times.LayerTime(stage).TotalSeconds, new KeyValuePair<string, object?>(Replica, replica.Number),
            new KeyValuePair<string, object?>("llama.stage", stage), new KeyValuePair<string, object?>("llama.silo", pipeline.Plan[stage].Member.Name));
}
