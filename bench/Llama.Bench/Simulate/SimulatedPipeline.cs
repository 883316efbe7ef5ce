using Llama.Model.Layers;

namespace Llama.Bench.Simulate;

/// <summary>How long a step takes in a model of the machine: each stage has an equal share of the layers.</summary>
/// <param name="WeightsSeconds">Time to go over all weights once, which every step takes, seconds.</param>
/// <param name="TokenSeconds">Time that each token adds in all layers together, seconds.</param>
/// <param name="LinkSeconds">Time from one process to the next, seconds.</param>
internal sealed record StageTimes(double WeightsSeconds, double TokenSeconds, double LinkSeconds)
{
    /// <summary>Nanoseconds of a step in one stage.</summary>
    public long InStage(int tokens, int stages) => (long)((WeightsSeconds + (tokens * TokenSeconds)) / stages * 1e9);

    /// <summary>Nanoseconds between processes.</summary>
    public long Link => (long)(LinkSeconds * 1e9);
}

/// <summary>Stages that compute steps one after the other, in virtual time.</summary>
/// <param name="times">How long they take.</param>
/// <param name="stages">How many there are.</param>
/// <param name="time">The clock.</param>
internal sealed class SimulatedPipeline(StageTimes times, int stages, VirtualTime time)
{
    /// <summary>Most tokens of a step, as on processors.</summary>
    public const int MaxStepTokens = 256;

    private readonly long[] freeAt = new long[stages];
    private readonly Queue<(long At, Step Step)> results = [];

    /// <summary>Nanoseconds that each stage has computed.</summary>
    public long Busy { get; private set; }

    /// <summary>When the oldest step's result comes; null when none is in flight.</summary>
    public long? NextResultAt => results.TryPeek(out (long At, Step Step) next) ? next.At : null;

    /// <summary>Sends a step. Order and times are fixed, so when its result comes is known at once.</summary>
    /// <param name="step">The step.</param>
    /// <param name="stalled">A stage that takes longer for it; -1 for none.</param>
    /// <param name="stall">How much longer, nanoseconds.</param>
    public void Send(Step step, int stalled = -1, long stall = 0)
    {
        long inStage = times.InStage(step.Tokens.Length, stages);
        long at = time.Now;
        for (int stage = 0; stage < stages; stage++)
        {
            at = Math.Max(at + times.Link, freeAt[stage]) + inStage + (stage == stalled ? stall : 0);
            freeAt[stage] = at;
        }

        Busy += inStage;
        results.Enqueue((at + times.Link, step));
    }

    /// <summary>The oldest step, whose time has come.</summary>
    public Step Take() => results.Dequeue().Step;
}
