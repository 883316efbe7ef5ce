using System.Numerics;

namespace Llama.Model.Sampling;

/// <summary>Logits of a model whose numbers have overflowed: what is not a number counts as impossible.</summary>
internal static unsafe class FiniteLogits
{
    /// <summary>Leaves finite logits and negative infinity, the impossible; where nothing is possible, all are alike.</summary>
    /// <param name="logits"><c>[count]</c>, replaced in place.</param>
    /// <param name="count">How many there are.</param>
    /// <returns>The index of the first of the greatest.</returns>
    public static int ReplaceAndFindBest(float* logits, int count)
    {
        var impossible = new Vector<float>(float.NegativeInfinity);
        var most = new Vector<float>(float.MaxValue);
        Vector<float> greatest = impossible;
        int whole = count - (count % Vector<float>.Count);
        for (int i = 0; i < whole; i += Vector<float>.Count)
        {
            var row = Vector.Load(logits + i);
            row = Vector.Min(Vector.ConditionalSelect(Vector.Equals(row, row), row, impossible), most);
            row.Store(logits + i);
            greatest = Vector.Max(greatest, row);
        }

        float max = float.NegativeInfinity;
        for (int i = 0; i < Vector<float>.Count; i++) max = MathF.Max(max, greatest[i]);
        for (int i = whole; i < count; i++)
        {
            logits[i] = float.IsNaN(logits[i]) ? float.NegativeInfinity : MathF.Min(logits[i], float.MaxValue);
            max = MathF.Max(max, logits[i]);
        }

        int best = 0;
        while (best + Vector<float>.Count <= whole && !Vector.EqualsAny(Vector.Load(logits + best), new Vector<float>(max))) best += Vector<float>.Count;
        while (logits[best] != max) best++;

        if (float.IsNegativeInfinity(logits[best])) new Span<float>(logits, count).Clear();
        return best;
    }
}
