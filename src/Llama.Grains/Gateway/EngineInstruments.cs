using System.Diagnostics.Metrics;
using Llama.Grains.Scheduling;
using Llama.Grains.Telemetry;
using Llama.Model.Layers;

namespace Llama.Grains.Gateway;

/// <summary>What engines measure as it happens; the <see cref="GatewayMeter"/> has what can be read at any time.</summary>
internal static class EngineInstruments
{
    private static readonly IReadOnlyList<int> Sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048];

    private static readonly Histogram<int> Sequences =
        Instruments.Histogram("llama.step.sequences", "{sequence}", "Sequences of a step: the batch size.", Sizes);

    private static readonly Histogram<int> Tokens = Instruments.Histogram("llama.step.tokens", "{token}", "Tokens of a step.", Sizes);

    private static readonly Histogram<double> RecoveryTime = Instruments.Histogram(
        "llama.recovery.duration", Instruments.Seconds,
        "Time from the end of a pipeline until every sequence that ran in it had its next token.", Instruments.DurationBuckets);

    private static readonly Counter<long> Recomputed = Instruments.Meter.CreateCounter<long>(
        "llama.recovery.recomputed", "{position}", "Positions that were computed again after the end of a pipeline, in all layers or in some.");

    /// <summary>A step was sent.</summary>
    public static void Sent(Step step)
    {
        Sequences.Record(step.Sequences.Length);
        Tokens.Record(step.Tokens.Length);
    }

    /// <summary>The sequences of a pipeline that ended go on.</summary>
    public static void Recovered(Recovery recovery)
    {
        RecoveryTime.Record(recovery.Time.TotalSeconds, new KeyValuePair<string, object?>("llama.recovery.cause", recovery.IsMove ? "move" : "loss"));
        Recomputed.Add(recovery.Recomputed, new KeyValuePair<string, object?>("llama.layers", "all"));
        Recomputed.Add(recovery.Rebuilt, new KeyValuePair<string, object?>("llama.layers", "some"));
    }
}
