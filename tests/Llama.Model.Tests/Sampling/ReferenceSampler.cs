using Llama.Model.Sampling;

namespace Llama.Model.Tests.Sampling;

/// <summary>The sampler's rules written down as plainly as possible, in double precision.</summary>
internal static class ReferenceSampler
{
    /// <summary>Probability of every token; tokens that cannot be sampled are not in it.</summary>
    public static Dictionary<int, double> Distribution(float[] logits, SamplingParameters parameters)
    {
        double max = logits.Max();
        List<(int Token, double Weight)> kept =
        [
            .. logits.Select((logit, token) => (token, Math.Exp((logit - max) / parameters.Temperature)))
                .OrderByDescending(t => logits[t.token]).ThenBy(t => t.token),
        ];
        if (parameters.TopK > 0) kept = [.. kept.Take(parameters.TopK)];

        double nucleus = parameters.TopP * kept.Sum(t => t.Weight);
        double before = 0;
        var inNucleus = new List<(int Token, double Weight)>();
        foreach ((int token, double weight) in kept)
        {
            if (inNucleus.Count > 0 && before >= nucleus && parameters.TopP < 1) break;
            inNucleus.Add((token, weight));
            before += weight;
        }

        kept = [.. inNucleus.Where((t, i) => i == 0 || t.Weight >= parameters.MinP * inNucleus[0].Weight)];
        double total = kept.Sum(t => t.Weight);
        return kept.Where(t => t.Weight > 0).ToDictionary(t => t.Token, t => t.Weight / total);
    }

    /// <summary>Log-probability of every token at temperature 1.</summary>
    public static double[] LogProbabilities(float[] logits)
    {
        double max = logits.Max();
        double logSum = Math.Log(logits.Sum(logit => Math.Exp(logit - max)));
        return [.. logits.Select(logit => logit - max - logSum)];
    }
}
