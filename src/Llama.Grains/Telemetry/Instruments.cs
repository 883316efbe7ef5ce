using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Llama.Grains.Telemetry;

/// <summary>
/// What the processes measure, under one name for a listener to choose. docs/operations.md has a table of all metrics. Without a listener
/// neither a measurement nor a span costs anything.
/// </summary>
public static class Instruments
{
    /// <summary>Name of the meters, and of the source of spans.</summary>
    public const string Name = "Llama";

    /// <summary>Unit of durations.</summary>
    public const string Seconds = "s";

    /// <summary>The process's instruments; those that read a gateway have a meter of their own, which ends with it.</summary>
    public static Meter Meter { get; } = new(Name);

    /// <summary>The process's spans.</summary>
    public static ActivitySource Spans { get; } = new(Name);

    /// <summary>
    /// A histogram with buckets of its own: those of OpenTelemetry's SDK are made for milliseconds, and begin at 5 s where the unit is the second.
    /// </summary>
    /// <param name="name">Name, as OpenTelemetry has it.</param>
    /// <param name="unit">Unit, as in UCUM.</param>
    /// <param name="description">What is measured.</param>
    /// <param name="buckets">Upper bounds.</param>
    public static Histogram<T> Histogram<T>(string name, string unit, string description, IReadOnlyList<T> buckets)
        where T : struct =>
        Meter.CreateHistogram(name, unit, description, tags: null, new InstrumentAdvice<T> { HistogramBucketBoundaries = buckets });

    /// <summary>Upper bounds for durations that lie between 1 ms and two minutes.</summary>
    public static IReadOnlyList<double> DurationBuckets { get; } =
        [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
}
