using System.Collections.Concurrent;
using Llama.Model.Sampling;

namespace Llama.Model.Layers;

/// <summary>Samples the tokens of a step from logits, on every device alike. Not thread-safe.</summary>
/// <param name="vocabSize">Tokens of the vocabulary.</param>
internal sealed unsafe class StepSampler(int vocabSize) : IDisposable
{
    private readonly Sampler sampler = new(vocabSize);
    private readonly ConcurrentBag<SampledTokens> pool = [];

    /// <summary>Samples a token for every sequence that wants one, in the step's order.</summary>
    /// <param name="step">The step.</param>
    /// <param name="logits"><c>[sampling sequences, vocabSize]</c>; changed in place.</param>
    /// <returns>Rented; the caller disposes of them.</returns>
    public SampledTokens Sample(Step step, float* logits)
    {
        SampledTokens sampled = SampledTokens.Rent(pool);
        Span<TokenLogprob> best = stackalloc TokenLogprob[Step.MaxTopLogprobs];
        for (int i = 0; i < step.Sequences.Length; i++)
        {
            StepSequence sequence = step.Sequences[i];
            if (!sequence.Samples) continue;
            Span<TokenLogprob> topLogprobs = best[..Math.Min(sequence.TopLogprobs, vocabSize)];
            TokenLogprob token = sampler.Sample(
                logits + ((long)sampled.Count * vocabSize), sequence.Sampling, sequence.Number, topLogprobs, step.ChangesOf(i));
            sampled.Add(token, topLogprobs);
        }

        return sampled;
    }

    /// <inheritdoc/>
    public void Dispose() => sampler.Dispose();
}
