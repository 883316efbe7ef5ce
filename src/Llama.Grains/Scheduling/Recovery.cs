using Llama.Grains.Placement;

namespace Llama.Grains.Scheduling;

/// <summary>What it took until every sequence that ran when a pipeline was lost had its next token.</summary>
/// <param name="Sequences">How many they were.</param>
/// <param name="Rebuilt">Positions that only some layers computed again.</param>
/// <param name="Layers">These layers.</param>
/// <param name="Recomputed">Positions that all layers computed again, or for the first time.</param>
/// <param name="Time">From the loss on.</param>
/// <param name="IsMove">Whether the pipeline ended on purpose, because its layers moved.</param>
internal sealed record Recovery(int Sequences, int Rebuilt, LayerSpan Layers, int Recomputed, TimeSpan Time, bool IsMove);

/// <summary>Follows the sequences that lost their pipeline to their next tokens.</summary>
internal sealed class RecoveryWatch(TimeProvider time)
{
    private readonly HashSet<Sequence> interrupted = [];
    private int sequences;
    private int rebuilt;
    private int recomputed;
    private LayerSpan layers;
    private long lostAt;
    private bool isMove;
    private Recovery? complete;

    /// <summary>A sequence lost its pipeline.</summary>
    /// <param name="sequence">The sequence.</param>
    /// <param name="isMove">Whether the pipeline ended on purpose.</param>
    public void Interrupt(Sequence sequence, bool isMove)
    {
        if (interrupted.Count == 0)
            (sequences, rebuilt, recomputed, layers, lostAt, this.isMove) = (0, 0, 0, default, time.GetTimestamp(), true);
        this.isMove &= isMove;
        if (interrupted.Add(sequence)) sequences++;
    }

    /// <summary>Positions are computed again in some layers.</summary>
    public void Rebuild(int positions, LayerSpan inLayers)
    {
        rebuilt += positions;
        layers = inLayers;
    }

    /// <summary>Positions of a sequence are computed in all layers.</summary>
    public void Compute(Sequence sequence, int positions)
    {
        if (interrupted.Contains(sequence)) recomputed += positions;
    }

    /// <summary>A sequence got a token, or has ended.</summary>
    public void GoOn(Sequence sequence)
    {
        if (!interrupted.Remove(sequence) || interrupted.Count > 0) return;
        complete = new Recovery(sequences, rebuilt, layers, recomputed, time.GetElapsedTime(lostAt), isMove);
    }

    /// <summary>The recovery that has come to its end since the last call, if one has.</summary>
    public Recovery? Take()
    {
        Recovery? taken = complete;
        complete = null;
        return taken;
    }
}
