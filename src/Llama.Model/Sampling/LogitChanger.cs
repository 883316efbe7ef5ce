using System.Numerics;
using Llama.Model.Grammars;
using Llama.Model.Kernels;

namespace Llama.Model.Sampling;

/// <summary>Applies <see cref="LogitChanges"/>, to a copy: log-probabilities are told of the logits as the model made them. Keeps its buffers.</summary>
internal sealed unsafe class LogitChanger : IDisposable
{
    private readonly int vocabSize;
    private readonly NativeBuffer changed;

    /// <summary>By token: 1 if the prompt has it, and 2 for each time that the answer has; zeros between calls.</summary>
    private readonly int[] counts;

    /// <summary>A bit for each token that the mask allows.</summary>
    private readonly ulong[] allowed;

    /// <summary>Makes buffers for a vocabulary.</summary>
    public LogitChanger(int vocabSize)
    {
        this.vocabSize = vocabSize;
        changed = new NativeBuffer(vocabSize);
        counts = new int[vocabSize];
        allowed = new ulong[(vocabSize + 63) / 64];
    }

    /// <summary>The changed logits; valid until the next call.</summary>
    /// <param name="logits"><c>[vocabSize]</c>, finite or negative infinity.</param>
    /// <param name="changes">The changes; their tokens are of the vocabulary.</param>
    public float* Apply(float* logits, LogitChanges changes)
    {
        float* target = changed.Pointer;
        Buffer.MemoryCopy(logits, target, vocabSize * sizeof(float), vocabSize * sizeof(float));
        foreach (int token in changes.Denied) target[token] = float.NegativeInfinity;
        foreach (TokenBias bias in changes.Biases) target[bias.Token] += bias.Addend;
        foreach (int token in changes.Prompt) counts[token] |= 1;
        foreach (int token in changes.Answer) counts[token] += 2;
        Penalise(target, changes.Prompt, changes.Penalties);
        Penalise(target, changes.Answer, changes.Penalties);
        if (!changes.Mask.IsEmpty) Mask(target, changes.Mask);
        return target;
    }

    /// <inheritdoc/>
    public void Dispose() => changed.Dispose();

    /// <summary>Leaves what a mask allows. Where all of that is impossible otherwise, it is alike: an answer never leaves its grammar.</summary>
    private void Mask(float* logits, ReadOnlySpan<byte> mask)
    {
        Array.Clear(allowed);
        TokenMask.Read(mask, allowed);
        for (int first = 0; first < vocabSize; first += 64)
        {
            // Most words of most masks are all alike.
            int end = Math.Min(first + 64, vocabSize);
            ulong bits = ~allowed[first >> 6];
            if (bits == ulong.MaxValue)
            {
                new Span<float>(logits + first, end - first).Fill(float.NegativeInfinity);
                continue;
            }

            for (; bits != 0; bits &= bits - 1)
            {
                int token = first + BitOperations.TrailingZeroCount(bits);
                if (token < end) logits[token] = float.NegativeInfinity;
            }
        }

        if (new ReadOnlySpan<float>(logits, vocabSize).ContainsAnyExcept(float.NegativeInfinity)) return;
        for (int token = 0; token < vocabSize; token++)
        {
            if (((allowed[token >> 6] >> (token & 63)) & 1) != 0) logits[token] = 0;
        }
    }

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
