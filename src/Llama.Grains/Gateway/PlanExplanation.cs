using Llama.Grains.Directory;
using Llama.Grains.Placement;

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
                MissingBytes = replica.Misfit is { NeededBytes: > 0 } misfit
                    ? Math.Max(0, misfit.NeededBytes - misfit.OfferedBytes)
                    : null,
            };
        }

        ExplainedStage[] stages = [.. pipeline.Plan.Select((stage, i) => Of(pipeline, stage, pipeline.WeightBytes[i]))];
        ExplainedStage slowest = stages.MaxBy(stage => stage.PredictedDecodeSeconds)!;
        StageTime ideal = planner.Predict(new LayerSpan(0, settings.Config.Layers), stages.Sum(stage => stage.Threads));
        return new PlannedPipeline
        {
            Replica = replica.Number,
            CutBy = cutBy,
            KvBlocks = pipeline.KvBlocks,
            Stages = stages,
            SlowestStage = slowest.Silo,
            PredictedDecodeSeconds = slowest.PredictedDecodeSeconds,
            IdealDecodeSeconds = ideal.DecodeSeconds,
            MeasuredDecodeSeconds = Measured(replica.Scheduler.DecodeSeconds),
            MeasuredPromptTokenSeconds = Measured(replica.Scheduler.PromptTokenSeconds),
            Reason = pipeline.Ready ? null : replica.Reason,
        };
    }

    /// <summary>A silo that holds no layers.</summary>
    public static OfferedSilo Of(Member silo) =>
        new(silo.Name, silo.Threads, silo.MemoryBytes, silo.LogMemoryBytes, silo.Profile);

    private ExplainedStage Of(Pipeline pipeline, PlannedStage stage, long loadedBytes)
    {
        StageNeeds needs = planner.Needs(pipeline.Whole, stage);
        StageTime time = planner.Predict(stage.Span, stage.Member.Threads);
        return new ExplainedStage
        {
            Silo = stage.Member.Name,
            Layers = [stage.Span.First, stage.Span.End],
            Threads = stage.Member.Threads,
            MemoryBytes = stage.Member.MemoryBytes,
            WeightBytes = loadedBytes > 0 ? loadedBytes : needs.Weights,
            KvBytes = needs.Kv,
            LogBytes = needs.Log,
            ActivationBytes = needs.Activations,
            PredictedDecodeSeconds = time.DecodeSeconds,
            PredictedPromptTokenSeconds = time.PromptTokenSeconds,
        };
    }

    private static double? Measured(double seconds) => seconds > 0 ? seconds : null;
}
