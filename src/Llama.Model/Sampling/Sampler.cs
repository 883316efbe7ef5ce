using Llama.Model.Kernels;

namespace Llama.Model.Sampling;

/// <summary>
/// Samples one token from a vocabulary of logits. Everything is computed in one fixed order from the logits and the given number, so the
/// same logits always sample the same token. A model whose numbers have overflowed must not take others' sequences down with its own: a
/// logit that is not a number counts as impossible, and where nothing is possible, all tokens are alike.
/// Not thread-safe: it keeps its buffers.
/// </summary>
internal sealed unsafe class Sampler : IDisposable
{
    private readonly int vocabSize;
    private readonly NativeBuffer weights;
    private readonly RankedTokens ranked = new();
    private readonly LogitChanger changer;
    private readonly MaskedLogits masked;

    /// <summary>Makes buffers for a vocabulary.</summary>
    public Sampler(int vocabSize)
    {
        this.vocabSize = vocabSize;
        weights = new NativeBuffer(vocabSize);
        changer = new LogitChanger(vocabSize);
        masked = new MaskedLogits(vocabSize);
    }

    /// <summary>Samples a token.</summary>
    /// <param name="logits"><c>[vocabSize]</c>; those that are not finite are replaced in place.</param>
    /// <param name="parameters">Temperature and truncation. Truncations apply to the tempered distribution: k, then p, then min-p.</param>
    /// <param name="number">In [0, 1): where in the cumulative distribution the token lies.</param>
    /// <param name="topLogprobs">Filled with the most probable tokens, best first.</param>
    /// <param name="changes">What is done to the logits before the token is sampled; its log-probability is told without it.</param>
    /// <param name="measured">What was measured of the logits already; null if nothing was.</param>
    /// <returns>The token and its log-probability at temperature 1. The impossible have negative infinity.</returns>
    public TokenLogprob Sample(
        float* logits, SamplingParameters parameters, double number, Span<TokenLogprob> topLogprobs, LogitChanges changes = default,
        LogitMeasure? measured = null)
    {
        (int best, float max, float logSum) = Measure(logits, topLogprobs, measured);
        PossibleTokens possible = changes.IsMaskOnly ? new PossibleTokens(logits, vocabSize, null, best) : changer.Apply(logits, changes);

        // The reciprocal of 0, and of numbers so near 0 that they mean the same, is infinite.
        float scale = 1 / parameters.Temperature;
        int token;
        if (float.IsInfinity(scale))
        {
            token = changes.Mask.IsEmpty ? possible.Best : masked.FindBest(possible.Logits, changes.Mask);
        }
        else
        {
            if (!changes.Mask.IsEmpty) possible = masked.Apply(possible.Logits, changes.Mask);
            Weigh(possible.Logits, possible.Count, possible.Logits[possible.Best], scale);
            token = possible.IdOf(Choose(possible, parameters, number));
        }

        return new TokenLogprob(token, logits[token] - max - logSum);
    }

    /// <summary>Tells how probable a token is that was not sampled, with the numbers that it would have if it were.</summary>
    /// <param name="logits"><c>[vocabSize]</c>; those that are not finite are replaced in place.</param>
    /// <param name="token">The token.</param>
    /// <param name="topLogprobs">Filled with the most probable tokens, best first.</param>
    /// <param name="rank">Its rank among all tokens, 1 for the most probable one; of equals the smaller id is first.</param>
    /// <param name="measured">What was measured of the logits already; null if nothing was.</param>
    /// <returns>The token and its log-probability at temperature 1.</returns>
    public TokenLogprob Tell(float* logits, int token, Span<TokenLogprob> topLogprobs, out int rank, LogitMeasure? measured = null)
    {
        (_, float max, float logSum) = Measure(logits, topLogprobs, measured);
        float logit = logits[token];
        rank = 1;
        for (int i = 0; i < token; i++) rank += logits[i] >= logit ? 1 : 0;
        for (int i = token + 1; i < vocabSize; i++) rank += logits[i] > logit ? 1 : 0;
        return new TokenLogprob(token, logit - max - logSum);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        weights.Dispose();
        changer.Dispose();
        masked.Dispose();
    }

    /// <summary>Measures the logits, unless that was done, and ranks the most probable tokens.</summary>
    private LogitMeasure Measure(float* logits, Span<TokenLogprob> topLogprobs, LogitMeasure? measured)
    {
        LogitMeasure measure = measured ?? LogitMeasure.Of(logits, vocabSize);
        if (topLogprobs.Length > 0)
        {
            ReadOnlySpan<int> top = ranked.Top(logits, vocabSize, topLogprobs.Length);
            for (int i = 0; i < top.Length; i++) topLogprobs[i] = new TokenLogprob(top[i], logits[top[i]] - measure.Max - measure.LogSum);
        }

        return measure;
    }

    private int Choose(PossibleTokens possible, SamplingParameters parameters, double number)
    {
        bool all = (parameters.TopK <= 0 || parameters.TopK >= vocabSize) && parameters.TopP >= 1 && parameters.MinP <= 0;
        return all ? SampleFromAll(possible.Count, number) : SampleFromTop(possible, parameters, number);
    }

    /// <summary>Walks the tokens in the order of ids to where the cumulative weight passes the number's share of the whole.</summary>
    private int SampleFromAll(int count, double number)
    {
        double total = 0;
        for (int i = 0; i < count; i++) total += weights.Pointer[i];
        double target = number * total;
        double cumulative = 0;
        int last = 0;
        for (int i = 0; i < count; i++)
        {
            if (weights.Pointer[i] == 0) continue;
            cumulative += weights.Pointer[i];
            last = i;
            if (cumulative > target) break;
        }

        return last;
    }

    /// <summary>
    /// Ranks as many tokens as the truncation keeps: a nucleus is not known beforehand, so ever more are ranked until it is covered.
    /// Its share counts from the whole vocabulary, or from the k best where k is given.
    /// </summary>
    private int SampleFromTop(PossibleTokens possible, SamplingParameters parameters, double number)
    {
        bool bounded = parameters.TopK > 0 && parameters.TopK < vocabSize;
        int limit = bounded ? Math.Min(parameters.TopK, possible.Count) : possible.Count;
        int count = bounded ? limit : Math.Min(limit, 64);
        ReadOnlySpan<int> top = ranked.Top(possible.Logits, possible.Count, count);
        double total = 0;
        if (bounded)
        {
            foreach (int token in top) total += weights.Pointer[token];
        }
        else
        {
            for (int i = 0; i < possible.Count; i++) total += weights.Pointer[i];
        }

        int kept;
        double keptWeight;
        while ((kept = Kept(top, parameters, total, out keptWeight)) == count && count < limit)
        {
            count = (int)Math.Min(limit, count * 8L);
            top = ranked.Top(possible.Logits, possible.Count, count);
        }

        double target = number * keptWeight;
        double cumulative = 0;
        for (int i = 0; i < kept - 1; i++)
        {
            cumulative += weights.Pointer[top[i]];
            if (cumulative > target) return top[i];
        }

        return top[kept - 1];
    }

    /// <summary>How many of the ranked tokens top-p and min-p keep; at least one.</summary>
    private int Kept(ReadOnlySpan<int> top, SamplingParameters parameters, double total, out double keptWeight)
    {
        double nucleus = parameters.TopP * total;
        double floor = (double)parameters.MinP * weights.Pointer[top[0]];
        keptWeight = 0;
        int kept = 0;
        while (kept < top.Length)
        {
            double weight = weights.Pointer[top[kept]];
            if (kept > 0 && ((parameters.TopP < 1 && keptWeight >= nucleus) || weight < floor || weight == 0)) break;
            keptWeight += weight;
            kept++;
        }

        return kept;
    }

    /// <summary>Sets every weight to e^((logit - max) × scale).</summary>
    private void Weigh(float* logits, int count, float max, float scale) =>
        Exponential.ExpAndSum(logits, weights.Pointer, count, max, scale);
}
