using Llama.Grains.Stages;

namespace Llama.Grains.Gateway;

/// <summary>Tells what the plans of the replicas were made from.</summary>
internal sealed class PlanExplanation(ClusterSettings settings, PipelinePlanner planner)
{
    /// <summary>One replica's plan.</summary>
    public PlannedPipeline Of(Replica replica)
    {
        string cutBy = settings.Ranges is null ? "planner" : "--ranges";
        if (replica.Pipeline is not { } pipeline)
        {
            return new PlannedPipeline
            {
                Replica = replica.Number,
                CutBy = cutBy,
                KvBlocks = 0,
                Stages = [],
                Reason = replica.Reason,
                MissingBytes = replica.State is Waiting { Misfit: { NeededBytes: > 0 } misfit }
                    ? Math.Max(0, misfit.NeededBytes - misfit.OfferedBytes)
                    : null,
            };
        }

        IReadOnlyDictionary<string, double>? layerSeconds = pipeline.Times.LayerSeconds;
        ExplainedStage[] stages = [.. pipeline.Plan.Select((stage, i) => Of(pipeline, stage, pipeline.WeightBytes[i], layerSeconds))];
        ExplainedStage slowest = stages.MaxBy(stage => stage.PredictedDecodeSeconds)!;
        return new PlannedPipeline
        {
            Replica = replica.Number,
            CutBy = cutBy,
            SpeedFrom = pipeline.Whole.BySteps ? "steps" : "start",
            KvBlocks = pipeline.KvBlocks,
            Stages = stages,
            SlowestStage = slowest.Silo,
            PredictedDecodeSeconds = slowest.PredictedDecodeSeconds,
            IdealDecodeSeconds = planner.IdealDecodeSeconds(pipeline.Plan.Select(stage => stage.Rates)),
            MeasuredDecodeSeconds = Measured(replica.Engine.DecodeSeconds),
            MeasuredPromptTokenSeconds = Measured(replica.Engine.PromptTokenSeconds),
            Reason = pipeline.Ready ? null : replica.Reason,
        };
    }

    /// <summary>A silo that holds no layers.</summary>
    public static OfferedSilo Of(Member silo) =>
        new(silo.Name, silo.Threads, silo.Rates, silo.MemoryBytes, silo.LogMemoryBytes, silo.Profile);

    private ExplainedStage Of(
        Pipeline pipeline, PlannedStage stage, long loadedBytes, IReadOnlyDictionary<string, double>? layerSeconds)
    {
        StageNeeds needs = planner.Needs(pipeline.Whole, stage);
        StageTime time = planner.Predict(stage.Span, stage.Rates);
        return new ExplainedStage
        {
            Silo = stage.Member.Name,
            Layers = [stage.Span.First, stage.Span.End],
            Threads = stage.Member.Threads,
            MeasuredRates = stage.Member.Rates,
            PlannedRates = stage.Rates,
            MemoryBytes = stage.Member.MemoryBytes,
            WeightBytes = loadedBytes > 0 ? loadedBytes : needs.Weights,
            KvBytes = needs.Kv,
            LogBytes = needs.Log,
            ActivationBytes = needs.Activations,
            PredictedDecodeSeconds = time.DecodeSeconds,
            PredictedPromptTokenSeconds = time.PromptTokenSeconds,
            MeasuredLayerSeconds = layerSeconds?[stage.Member.Name],
        };
    }

    private static double? Measured(double seconds) => seconds > 0 ? seconds : null;
}
