using Llama.Grains.Placement;
using Llama.Grains.Scheduling;
using Llama.Grains.Stages;
using Llama.Model.Kernels;

namespace Llama.Grains.Gateway;

/// <summary>Turns chosen silos into the stages of a pipeline, and memory into KV blocks.</summary>
internal sealed class PipelinePlanner(ClusterSettings settings)
{
    /// <summary>Sequences of full context that the KV pool never exceeds: more would only take memory.</summary>
    private const int MostFullSequences = 64;

    /// <summary>A move is worth its pause when the slowest stage takes at most this part of its time afterwards.</summary>
    private const double WorthMoving = 0.95;

    /// <summary>Silos that one pipeline can use: more than layers would stand by, and given ranges say it exactly.</summary>
    public int MostStages => settings.Ranges?.Count ?? settings.Config.Layers;

    /// <summary>Tokens of the longest sequence that so many blocks have room for.</summary>
    public int Tokens(int kvBlocks) => (int)Math.Min(settings.Config.ContextLength, (long)kvBlocks * BlockPool.BlockTokens);

    /// <summary>
    /// Plans the stages. Silos that had layers of a pipeline before keep as many of them, with their blocks, as a cut that is as fast
    /// allows.
    /// </summary>
    /// <param name="silos">The silos in pipeline order as far as they are new, at most <see cref="MostStages"/>.</param>
    /// <param name="previous">What the pipeline before leaves; null when there was none.</param>
    /// <param name="trusted">Whether a silo may go on with the blocks that it has; null where nothing is left.</param>
    /// <exception cref="PlacementException">The model does not fit them.</exception>
    public PipelinePlan Plan(IReadOnlyList<Member> silos, PreviousPipeline? previous = null, Func<Member, bool>? trusted = null) =>
        Plan(silos, Rates(silos, null), previous, trusted);

    /// <summary>Plans the stages for silos that are there now, with what was measured since the present plan was made.</summary>
    /// <param name="present">What the pipeline that serves will leave.</param>
    /// <param name="silos">The silos in pipeline order as far as they are new, at most <see cref="MostStages"/>.</param>
    /// <param name="trusted">Whether a silo may go on with the blocks that it has.</param>
    /// <param name="layerSeconds">Times of a layer in the present stages, by silo; null when they are not known.</param>
    /// <returns>Null when the slowest stage would not become faster by a twentieth.</returns>
    /// <exception cref="PlacementException">The model does not fit them.</exception>
    public PipelinePlan? Improve(
        PreviousPipeline present, IReadOnlyList<Member> silos, Func<Member, bool> trusted, IReadOnlyDictionary<string, double>? layerSeconds)
    {
        Member[] all = [.. present.Plan.Stages.Select(stage => stage.Member).UnionBy(silos, silo => silo.Name)];
        IReadOnlyDictionary<string, MachineRates> rates = Rates(all, layerSeconds);
        PipelinePlan plan = Plan(silos, rates, present, trusted) with { BySteps = layerSeconds is not null };
        return Slowest(plan) < WorthMoving * Slowest(present.Plan) ? plan : null;

        double Slowest(PipelinePlan of) => of.Stages.Max(stage => Predict(stage.Span, rates[stage.Member.Name]).DecodeSeconds);
    }

    private PipelinePlan Plan(
        IReadOnlyList<Member> silos, IReadOnlyDictionary<string, MachineRates> rates, PreviousPipeline? previous, Func<Member, bool>? trusted)
    {
        ModelCosts costs = Costs(silos);
        PlannedStage? Before(Member silo) =>
            previous?.Plan.Stages.FirstOrDefault(stage => stage.Member.Instance == silo.Instance && trusted!(silo));
        if (settings.Ranges is { } given && given.Count != silos.Count)
            throw new PlacementException($"--ranges names {given.Count} ranges; {silos.Count} silos are there.");
        SiloCapacity Offer(Member silo) => new(Speed(rates[silo.Name]), silo.MemoryBytes, Before(silo)?.Span ?? default);
        if (settings.Ranges is null) silos = [.. PipelineOrder.Of(costs, [.. silos.Select(Offer)]).Select(place => silos[place])];
        IReadOnlyList<LayerSpan> spans = settings.Ranges ?? LayerPlanner.Plan(costs, [.. silos.Select(Offer)]);

        long blocks = (long)BlockPool.BlocksFor(settings.Config.ContextLength) * MostFullSequences;
        for (int i = 0; i < spans.Count; i++)
        {
            long weights = Weights(costs, spans[i]);
            long memory = Math.Min(settings.KvMemory, silos[i].MemoryBytes - weights);
            blocks = Math.Min(blocks, memory / (silos[i].KvBlockBytes * spans[i].Count));
            if (blocks < 1)
            {
                long needed = weights + (silos[i].KvBlockBytes * spans[i].Count);
                throw new PlacementException(
                    $"{silos[i].Name} has no room for KV: layers {spans[i].First} to {spans[i].End - 1} take {weights} of"
                    + $" {silos[i].MemoryBytes} bytes and at most {settings.KvMemory} may be KV.",
                    needed, Math.Min(silos[i].MemoryBytes, weights + settings.KvMemory));
            }
        }

        int kvBlocks = (int)Math.Min(blocks, int.MaxValue / BlockPool.BlockTokens);
        var slowest = LayerTime.Of(
            Math.Max(settings.Config.LayerElements, (long)settings.Config.VocabSize * settings.Config.Dim),
            Math.Max(costs.LayerBytes, costs.HeadBytes),
            silos.Min(silo => silo.Threads));
        PlannedStage[] stages =
            [.. spans.Select((span, i) => Place(silos[i], rates[silos[i].Name], span, kvBlocks, costs, Before(silos[i])))];
        return new PipelinePlan(stages, kvBlocks, slowest, stages.Any(stage => stage.KeepsBlocks) ? previous : null);
    }

    /// <summary>
    /// Plans the pipeline that follows a lost one with the same cut: its silos keep their places, others take the empty ones.
    /// </summary>
    /// <param name="previous">What the lost one leaves.</param>
    /// <param name="free">Silos that may be chosen, best first.</param>
    /// <param name="trusted">Whether a silo may go on with the blocks that it has.</param>
    /// <returns>Null when no silo keeps its place, or not every place finds a silo.</returns>
    public PipelinePlan? Repair(PreviousPipeline previous, IReadOnlyList<Member> free, Func<Member, bool> trusted)
    {
        PipelinePlan before = previous.Plan;
        ModelCosts costs = Costs([.. before.Stages.Select(stage => stage.Member)]);
        Member?[] places =
        [
            .. before.Stages.Select(stage => free.FirstOrDefault(silo => trusted(silo) && silo.Instance == stage.Member.Instance)),
        ];
        if (Array.TrueForAll(places, silo => silo is null)) return null;
        var stages = new List<PlannedStage>();
        for (int i = 0; i < places.Length; i++)
        {
            PlannedStage stage = before.Stages[i];
            if (places[i] is { } stays)
            {
                stages.Add(stage with { Member = stays, KeepsBlocks = true });
                continue;
            }

            // One that comes back under its name takes its own place, where its machine may still have the weights in memory.
            long needed = Weights(costs, stage.Span) + (before.KvBlocks * stage.Member.KvBlockBytes * stage.Span.Count);
            places[i] = free.Where(silo => !places.Contains(silo) && silo.Profile == stage.Member.Profile && silo.MemoryBytes >= needed)
                .OrderByDescending(silo => trusted(silo) && silo.Name == stage.Member.Name).FirstOrDefault();
            if (places[i] is not { } taker) return null;
            stages.Add(Place(taker, Rates([.. places.OfType<Member>()], null)[taker.Name], stage.Span, before.KvBlocks, costs));
        }

        return before with { Stages = stages, Inherits = previous };
    }

    /// <summary>Bytes that a stage of a plan takes.</summary>
    public StageNeeds Needs(PipelinePlan plan, PlannedStage stage) => new(
        Weights(Costs([stage.Member]), stage.Span),
        plan.KvBlocks * stage.Member.KvBlockBytes * stage.Span.Count,
        stage.Logs.Count * plan.KvBlocks * stage.Member.LogBlockBytes,
        stage.Member.ActivationBytes);

    /// <summary>Bytes that the layers take as a whole with the least of KV that is planned for; without KV where no silo is there to tell it.</summary>
    /// <param name="silos">Silos that may be planned with.</param>
    public long ModelBytes(IReadOnlyList<Member> silos) => Costs(silos).Bytes(new LayerSpan(0, settings.Config.Layers));

    /// <summary>Predicted times of a range of layers, to compare stages by.</summary>
    public StageTime Predict(LayerSpan span, MachineRates rates)
    {
        double bytes = Costs([]).Time(span);
        return StageTime.Of(bytes / settings.ElementBytes, bytes, rates);
    }

    /// <summary>Predicted time of a token, in seconds, if the layers could be divided exactly between silos.</summary>
    public double IdealDecodeSeconds(IEnumerable<MachineRates> silos)
    {
        var all = new LayerSpan(0, settings.Config.Layers);
        return 1 / silos.Sum(rates => 1 / Predict(all, rates).DecodeSeconds);
    }

    private IReadOnlyDictionary<string, MachineRates> Rates(
        IReadOnlyList<Member> silos, IReadOnlyDictionary<string, double>? layerSeconds) =>
        SiloSpeeds.Of(silos, layerSeconds, rates => Predict(new LayerSpan(0, 1), rates).DecodeSeconds);

    /// <summary>Bytes of weights that a token which is decoded needs a second of.</summary>
    private double Speed(MachineRates rates) => 1 / StageTime.Of(1 / settings.ElementBytes, 1, rates).DecodeSeconds;

    /// <summary>
    /// A stage keeps logs of all blocks as far as there is room: of what it sends on, if there is a next stage that might need it, and of
    /// what goes into its own layers, where it has that from before.
    /// </summary>
    private PlannedStage Place(
        Member silo, MachineRates rates, LayerSpan span, int kvBlocks, ModelCosts costs, PlannedStage? before = null)
    {
        long log = kvBlocks * silo.LogBlockBytes;
        long free = silo.MemoryBytes - Weights(costs, span) - (kvBlocks * silo.KvBlockBytes * span.Count);
        int most = (int)Math.Clamp(Math.Min(silo.LogMemoryBytes, free) / log, 0, span.Count);
        IEnumerable<int> sent = span.End < settings.Config.Layers ? [span.End] : [];
        IEnumerable<int> within = before?.Logs.Where(layer => layer > span.First && layer < span.End) ?? [];
        bool keepsBlocks = before is not null && before.Span.Common(span).Count > 0;
        return new PlannedStage(silo, span, rates, [.. sent.Concat(within).Take(most).Order()], keepsBlocks);
    }

    /// <summary>What the layers take, with the least of KV that is planned for, in the silos' profile.</summary>
    private ModelCosts Costs(IReadOnlyList<Member> silos)
    {
        int contextBlocks = BlockPool.BlocksFor(settings.Config.ContextLength);
        long kvBlockBytes = silos.Select(silo => silo.KvBlockBytes).FirstOrDefault();
        double elementBytes = silos.Select(silo => silo.WeightElementBytes).FirstOrDefault(bytes => bytes > 0, settings.ElementBytes);
        return ModelCosts.Of(settings.Config, elementBytes, kvBlockBytes * Math.Min(contextBlocks, MostFullSequences));
    }

    private static long Weights(ModelCosts costs, LayerSpan span) => costs.Bytes(span) - (span.Count * costs.KvBytesPerLayer);
}
