using System.Numerics;
using System.Runtime.Intrinsics;
using Llama.Model.Grammars;
using Llama.Model.Kernels;

namespace Llama.Model.Sampling;

/// <summary>
/// Leaves the logits that a mask allows. Where all that it allows is impossible otherwise, it is alike: an answer never leaves its grammar. Of
/// a mask that allows nothing, all tokens are alike. Keeps its buffers, and the last mask: sequences of a step often have the same.
/// </summary>
internal sealed unsafe class MaskedLogits : IDisposable
{
    /// <summary>Beyond this part of the vocabulary it takes longer to pick the allowed ones than to go over all.</summary>
    private const int FewPart = 16;

    private static readonly Vector256<int> LaneBits = Vector256.Create(1, 2, 4, 8, 16, 32, 64, 128);
    private static readonly Vector256<float> Impossible = Vector256.Create(float.NegativeInfinity);

    private readonly int vocabSize;
    private readonly NativeBuffer left;
    private readonly int[] ids;
    private readonly ulong[] allowed;
    private readonly byte[] mask;
    private int maskBytes;
    private int count;

    /// <summary>Makes buffers for a vocabulary.</summary>
    public MaskedLogits(int vocabSize)
    {
        this.vocabSize = vocabSize;
        left = new NativeBuffer(vocabSize);
        ids = new int[vocabSize / FewPart];
        allowed = new ulong[(vocabSize + 63) / 64];
        mask = new byte[TokenMask.MostBytes(vocabSize)];
    }

    /// <summary>The best token that a mask allows.</summary>
    /// <param name="logits"><c>[vocabSize]</c>, finite or negative infinity.</param>
    /// <param name="next">The mask, which has no fault.</param>
    /// <returns>Its id; of equals the first.</returns>
    public int FindBest(float* logits, ReadOnlySpan<byte> next)
    {
        Read(next);
        Vector256<float> greatest = Impossible;
        float max = float.NegativeInfinity;
        int whole = vocabSize & ~63;
        for (int first = 0; first < whole; first += 64)
        {
            if (allowed[first >> 6] == 0) continue;
            for (int token = first; token < first + 64; token += 8)
                greatest = Vector256.Max(greatest, Vector256.ConditionalSelect(IsAllowed8(token), Vector256.Load(logits + token), Impossible));
        }

        for (int lane = 0; lane < 8; lane++) max = MathF.Max(max, greatest[lane]);
        for (int token = whole; token < vocabSize; token++) max = IsAllowed(token) ? MathF.Max(max, logits[token]) : max;
        for (int word = 0; word < allowed.Length; word++)
        {
            for (ulong bits = allowed[word]; bits != 0; bits &= bits - 1)
            {
                int token = (word * 64) + BitOperations.TrailingZeroCount(bits);
                if (logits[token] == max) return token;
            }
        }

        return 0;
    }

    /// <summary>Applies a mask.</summary>
    /// <param name="logits"><c>[vocabSize]</c>, finite or negative infinity.</param>
    /// <param name="next">The mask, which has no fault.</param>
    /// <returns>What is left: the allowed tokens alone where they are few, else all, the others as impossible ones; valid until the next call.</returns>
    public PossibleTokens Apply(float* logits, ReadOnlySpan<byte> next)
    {
        int best = FindBest(logits, next);
        if (count == 0 || float.IsNegativeInfinity(logits[best]))
        {
            for (int token = 0; token < vocabSize; token++) left.Pointer[token] = count == 0 || IsAllowed(token) ? 0 : float.NegativeInfinity;
            return new PossibleTokens(left.Pointer, vocabSize, null, best);
        }

        if (count <= ids.Length) return Pick(logits, best);
        int whole = vocabSize & ~7;
        for (int token = 0; token < whole; token += 8)
            Vector256.ConditionalSelect(IsAllowed8(token), Vector256.Load(logits + token), Impossible).Store(left.Pointer + token);
        for (int token = whole; token < vocabSize; token++) left.Pointer[token] = IsAllowed(token) ? logits[token] : float.NegativeInfinity;
        return new PossibleTokens(left.Pointer, vocabSize, null, best);
    }

    /// <inheritdoc/>
    public void Dispose() => left.Dispose();

    private PossibleTokens Pick(float* logits, int best)
    {
        int picked = 0;
        for (int word = 0; word < allowed.Length; word++)
        {
            for (ulong bits = allowed[word]; bits != 0; bits &= bits - 1)
            {
                int token = (word * 64) + BitOperations.TrailingZeroCount(bits);
                ids[picked] = token;
                left.Pointer[picked++] = logits[token];
            }
        }

        return new PossibleTokens(left.Pointer, count, ids, ids.AsSpan(0, count).BinarySearch(best));
    }

    private void Read(ReadOnlySpan<byte> next)
    {
        if (next.SequenceEqual(mask.AsSpan(0, maskBytes))) return;
        Array.Clear(allowed);
        TokenMask.Read(next, allowed);
        allowed[^1] &= ulong.MaxValue >> ((allowed.Length * 64) - vocabSize);
        count = 0;
        foreach (ulong word in allowed) count += BitOperations.PopCount(word);

        // Of another writer it may be longer than it needs to be.
        maskBytes = next.Length <= mask.Length ? next.Length : 0;
        next[..maskBytes].CopyTo(mask);
    }

    /// <summary>All bits of the lanes of eight tokens that are allowed; the first is a multiple of eight.</summary>
    private Vector256<float> IsAllowed8(int token)
    {
        Vector256<int> bits = Vector256.Create((int)(byte)(allowed[token >> 6] >> (token & 63))) & LaneBits;
        return Vector256.Equals(bits, LaneBits).AsSingle();
    }

    private bool IsAllowed(int token) => ((allowed[token >> 6] >> (token & 63)) & 1) != 0;
}
