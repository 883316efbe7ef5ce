using System.Numerics;
using System.Runtime.Intrinsics;
using Llama.Model.Grammars;
using Llama.Model.Kernels;

namespace Llama.Model.Sampling;

/// <summary>Leaves the logits that a mask allows: those alone where they are few, else the others as impossible ones. Keeps its buffers.</summary>
internal sealed unsafe class MaskedLogits : IDisposable
{
    /// <summary>Beyond this part of the vocabulary it takes longer to pick the allowed ones than to go over all.</summary>
    private const int FewPart = 16;

    private readonly int vocabSize;
    private readonly NativeBuffer left;
    private readonly int[] ids;
    private readonly ulong[] allowed;

    /// <summary>Makes buffers for a vocabulary.</summary>
    public MaskedLogits(int vocabSize)
    {
        this.vocabSize = vocabSize;
        left = new NativeBuffer(vocabSize);
        ids = new int[vocabSize / FewPart];
        allowed = new ulong[(vocabSize + 63) / 64];
    }

    /// <summary>Applies a mask. Where all that it allows is impossible otherwise, it is alike: an answer never leaves its grammar.</summary>
    /// <param name="logits"><c>[vocabSize]</c>, finite or negative infinity.</param>
    /// <param name="mask">The mask, which has no fault.</param>
    /// <returns>What is left; valid until the next call.</returns>
    public PossibleTokens Apply(float* logits, ReadOnlySpan<byte> mask)
    {
        Array.Clear(allowed);
        TokenMask.Read(mask, allowed);
        allowed[^1] &= ulong.MaxValue >> ((allowed.Length * 64) - vocabSize);
        int count = 0;
        foreach (ulong word in allowed) count += BitOperations.PopCount(word);
        if (count > 0 && count <= ids.Length)
        {
            Pick(logits);
            var few = new Span<float>(left.Pointer, count);
            if (!few.ContainsAnyExcept(float.NegativeInfinity)) few.Clear();
            return new PossibleTokens(left.Pointer, count, ids);
        }

        Select(logits);
        if (!new ReadOnlySpan<float>(left.Pointer, vocabSize).ContainsAnyExcept(float.NegativeInfinity)) LevelAllowed();
        return new PossibleTokens(left.Pointer, vocabSize, null);
    }

    /// <inheritdoc/>
    public void Dispose() => left.Dispose();

    private void Pick(float* logits)
    {
        int count = 0;
        for (int word = 0; word < allowed.Length; word++)
        {
            for (ulong bits = allowed[word]; bits != 0; bits &= bits - 1)
            {
                int token = (word * 64) + BitOperations.TrailingZeroCount(bits);
                ids[count] = token;
                left.Pointer[count++] = logits[token];
            }
        }
    }

    private void Select(float* logits)
    {
        Vector256<float> impossible = Vector256.Create(float.NegativeInfinity);
        Vector256<int> lanes = Vector256.Create(1, 2, 4, 8, 16, 32, 64, 128);
        float* target = left.Pointer;
        int whole = vocabSize - (vocabSize % Vector256<float>.Count);
        for (int token = 0; token < whole; token += Vector256<float>.Count)
        {
            Vector256<int> bits = Vector256.Create((int)(byte)(allowed[token >> 6] >> (token & 63))) & lanes;
            Vector256<float> isAllowed = Vector256.Equals(bits, lanes).AsSingle();
            Vector256.ConditionalSelect(isAllowed, Vector256.Load(logits + token), impossible).Store(target + token);
        }

        for (int token = whole; token < vocabSize; token++) target[token] = IsAllowed(token) ? logits[token] : float.NegativeInfinity;
    }

    private void LevelAllowed()
    {
        for (int token = 0; token < vocabSize; token++)
        {
            if (IsAllowed(token)) left.Pointer[token] = 0;
        }
    }

    private bool IsAllowed(int token) => ((allowed[token >> 6] >> (token & 63)) & 1) != 0;
}
