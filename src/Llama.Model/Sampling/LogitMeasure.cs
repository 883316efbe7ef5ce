using System.Numerics;
using Llama.Model.Kernels;

namespace Llama.Model.Sampling;

/// <summary>What log-probabilities at temperature 1 are made of: token i has <c>logit[i] - Max - LogSum</c>.</summary>
/// <param name="Best">The first of the tokens with the greatest logit.</param>
/// <param name="Max">The greatest logit.</param>
/// <param name="LogSum">The logarithm of the sum of all e^(logit - Max).</param>
internal readonly unsafe record struct LogitMeasure(int Best, float Max, float LogSum)
{
    /// <summary>Measures logits; those that are not finite are replaced in place.</summary>
    /// <param name="logits">The logits.</param>
    /// <param name="count">How many they are.</param>
    public static LogitMeasure Of(float* logits, int count)
    {
        int best = ReplaceAndFindBest(logits, count);
        float max = logits[best];
        return new LogitMeasure(best, max, (float)Elementary.Log(Exponential.ExpAndSum(logits, null, count, max, 1)));
    }

    /// <summary>Leaves finite logits and negative infinity, the impossible; returns the first of the greatest.</summary>
    /// <param name="logits">The logits.</param>
    /// <param name="count">How many they are.</param>
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
