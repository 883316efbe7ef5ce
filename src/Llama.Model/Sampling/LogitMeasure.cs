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
        int best = FiniteLogits.ReplaceAndFindBest(logits, count);
        float max = logits[best];
        return new LogitMeasure(best, max, (float)Elementary.Log(Exponential.ExpAndSum(logits, null, count, max, 1)));
    }
}
