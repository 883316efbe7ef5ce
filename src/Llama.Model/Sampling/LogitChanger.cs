using Llama.Model.Kernels;

namespace Llama.Model.Sampling;

/// <summary>Applies <see cref="LogitChanges"/>, to a copy: log-probabilities are told of the logits as the model made them. Keeps its buffers.</summary>
internal sealed unsafe class LogitChanger : IDisposable
{
    private readonly int vocabSize;
    private readonly NativeBuffer changed;

    /// <summary>By token: 1 if the prompt has it, and 2 for each time that the answer has; zeros between calls.</summary>
    private readonly int[] counts;

    /// <summary>Makes buffers for a vocabulary.</summary>
    public LogitChanger(int vocabSize)
    {
        this.vocabSize = vocabSize;
        changed = new NativeBuffer(vocabSize);
        counts = new int[vocabSize];
    }

    /// <summary>All tokens with the changed logits, but for the mask; valid until the next call.</summary>
    /// <param name="logits"><c>[vocabSize]</c>, finite or negative infinity.</param>
    /// <param name="changes">The changes; their tokens are of the vocabulary.</param>
    public PossibleTokens Apply(float* logits, LogitChanges changes)
    {
        float* target = changed.Pointer;
        Buffer.MemoryCopy(logits, target, vocabSize * sizeof(float), vocabSize * sizeof(float));
        foreach (int token in changes.Denied) target[token] = float.NegativeInfinity;
        foreach (TokenBias bias in changes.Biases) target[bias.Token] += bias.Addend;
        foreach (int token in changes.Prompt) counts[token] |= 1;
        foreach (int token in changes.Answer) counts[token] += 2;
        Penalise(target, changes.Prompt, changes.Penalties);
        Penalise(target, changes.Answer, changes.Penalties);
        return new PossibleTokens(target, vocabSize, null, FiniteLogits.ReplaceAndFindBest(target, vocabSize));
    }

    /// <inheritdoc/>
    public void Dispose() => changed.Dispose();

    /// <summary>Each token once: its count is cleared with it.</summary>
    private void Penalise(float* logits, ReadOnlySpan<int> tokens, Penalties penalties)
    {
        foreach (int token in tokens)
        {
            int count = counts[token];
            if (count == 0) continue;
            counts[token] = 0;
            float logit = logits[token] > 0 ? logits[token] / penalties.Repetition : logits[token] * penalties.Repetition;
            int times = count >> 1;
            logits[token] = logit - (penalties.Frequency * times) - (times > 0 ? penalties.Presence : 0);
        }
    }
}
