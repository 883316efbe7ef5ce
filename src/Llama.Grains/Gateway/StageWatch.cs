using Llama.Model.Layers;

namespace Llama.Grains.Gateway;

/// <summary>
/// Notices stages that are lost though their links are open. One is dead when its process has given no heartbeat for three seconds. The
/// pipeline hangs when steps are in flight and for <see cref="LeastHang"/>, or ten times the predicted time of a layer if that is more,
/// no layer was computed and no result came. It distrusts itself first: if it was itself held up, it has heard nobody, and everything
/// begins anew.
/// </summary>
/// <param name="names">The stages' silos.</param>
/// <param name="slowest">The prediction.</param>
/// <param name="time">Measures the silence.</param>
internal sealed class StageWatch(IReadOnlyList<string> names, LayerTime slowest, TimeProvider time)
{
    /// <summary>Time between checks.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(0.25);

    /// <summary>Silence after which a process counts as dead.</summary>
    public static readonly TimeSpan DeadAfter = TimeSpan.FromSeconds(3);

    /// <summary>The shortest time without a layer that counts as a hang.</summary>
    public static readonly TimeSpan LeastHang = TimeSpan.FromSeconds(5);

    private const int Margin = 10;

    private readonly Lock gate = new();
    private readonly (bool Followed, long HeardAt, RangeProgress Progress)[] stages =
        new (bool Followed, long HeardAt, RangeProgress Progress)[names.Count];

    /// <summary>Tokens of the steps in flight.</summary>
    private readonly Queue<int> inFlight = [];

    private long movedAt = time.GetTimestamp();
    private long checkedAt = time.GetTimestamp();

    /// <summary>Takes a heartbeat; the first one begins the watch over a stage.</summary>
    public void Hear(int stage, RangeProgress progress)
    {
        lock (gate)
        {
            long now = time.GetTimestamp();
            if (progress.Layers != stages[stage].Progress.Layers) movedAt = now;
            stages[stage] = (true, now, progress);
        }
    }

    /// <summary>A step is in flight.</summary>
    /// <param name="tokens">Its tokens.</param>
    public void Sent(int tokens)
    {
        lock (gate)
        {
            if (inFlight.Count == 0) movedAt = time.GetTimestamp();
            inFlight.Enqueue(tokens);
        }
    }

    /// <summary>The oldest step in flight has its result.</summary>
    public void Answered()
    {
        lock (gate)
        {
            inFlight.TryDequeue(out _);
            movedAt = time.GetTimestamp();
        }
    }

    /// <summary>Looks whether a stage is lost; to be called once an <see cref="Interval"/>.</summary>
    /// <returns>What is wrong and where, if that can be told; null when nothing is.</returns>
    public (int? Stage, string Reason)? Check()
    {
        lock (gate)
        {
            long now = time.GetTimestamp();
            bool late = time.GetElapsedTime(checkedAt, now) > DeadAfter / 2;
            checkedAt = now;
            if (late)
            {
                for (int i = 0; i < stages.Length; i++) stages[i].HeardAt = now;
                movedAt = now;
                return null;
            }

            int dead = Array.FindIndex(stages, stage => stage.Followed && time.GetElapsedTime(stage.HeardAt, now) > DeadAfter);
            if (dead >= 0) return (dead, $"{names[dead]} has given no heartbeat for {DeadAfter.TotalSeconds:0} s.");
            if (inFlight.Count == 0) return null;
            double predicted = slowest.Seconds + (slowest.SecondsAToken * inFlight.Max());
            var limit = TimeSpan.FromSeconds(Math.Max(LeastHang.TotalSeconds, Margin * predicted));
            if (time.GetElapsedTime(movedAt, now) <= limit) return null;
            int hung = Array.FindIndex(stages, stage => stage.Progress.Steps > 0);
            return hung >= 0
                ? (hung, $"{names[hung]} has a step and has computed no layer for {limit.TotalSeconds:0.#} s.")
                : (null, $"No step has moved for {limit.TotalSeconds:0.#} s, and no stage has one.");
        }
    }
}
