using Llama.Model.Layers;

namespace Llama.Grains.Gateway;

/// <summary>
/// How long each stage of a pipeline takes for a layer, from its heartbeats. All stages compute the same steps, so their times compare
/// whatever these steps are; what went long before does not count.
/// </summary>
/// <param name="names">The stages' silos.</param>
internal sealed class StageTimes(IReadOnlyList<string> names)
{
    /// <summary>
    /// Work of every stage that a comparison needs: heartbeats come twice a second, and one stage may just have had a step that
    /// another has not yet.
    /// </summary>
    public static readonly TimeSpan Least = TimeSpan.FromSeconds(10);

    /// <summary>Work of every stage after which that before the last so much is forgotten.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromSeconds(30);

    private readonly Lock gate = new();
    private readonly RangeProgress?[] now = new RangeProgress?[names.Count];
    private RangeProgress?[] middle = new RangeProgress?[names.Count];
    private RangeProgress?[] since = new RangeProgress?[names.Count];

    /// <summary>Mean time of a layer, in seconds, by silo; null before every stage has worked enough.</summary>
    public IReadOnlyDictionary<string, double>? LayerSeconds
    {
        get
        {
            lock (gate)
            {
                if (!AllWorked(since, Least)) return null;
                return names.Select((name, stage) => (name, stage))
                    .ToDictionary(s => s.name, s => Seconds(since, s.stage) / Layers(since, s.stage));
            }
        }
    }

    /// <summary>What the layers took that a stage has computed since it loaded them, as it told last.</summary>
    public TimeSpan LayerTime(int stage)
    {
        lock (gate) return now[stage]?.LayerTime ?? TimeSpan.Zero;
    }

    /// <summary>Takes a heartbeat.</summary>
    public void Hear(int stage, RangeProgress progress)
    {
        lock (gate)
        {
            now[stage] = progress;

            // A range that went through an epoch before has counted, too.
            middle[stage] ??= progress;
            since[stage] ??= progress;
            if (!AllWorked(middle, Window)) return;
            since = middle;
            middle = [.. now];
        }
    }

    private bool AllWorked(RangeProgress?[] from, TimeSpan least)
    {
        for (int stage = 0; stage < names.Count; stage++)
        {
            if (Seconds(from, stage) < least.TotalSeconds || Layers(from, stage) < 1) return false;
        }

        return true;
    }

    private double Seconds(RangeProgress?[] from, int stage) =>
        Difference(from, stage, progress => progress.LayerTime.Ticks) / TimeSpan.TicksPerSecond;

    private double Layers(RangeProgress?[] from, int stage) => Difference(from, stage, progress => progress.Layers);

    /// <summary>In floating point, because a stage may say anything.</summary>
    private double Difference(RangeProgress?[] from, int stage, Func<RangeProgress, double> counter) =>
        now[stage] is { } last && from[stage] is { } first ? counter(last) - counter(first) : 0;
}
