using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Llama.Model.Sampling;

/// <summary>How probable a token of a prompt was behind those before it; valid as long as the bytes that it was read from.</summary>
/// <param name="token">The token and its log-probability.</param>
/// <param name="rank">Its rank among all tokens, 1 for the most probable one.</param>
/// <param name="topLogprobs">The most probable tokens.</param>
public readonly ref struct PromptLogprob(TokenLogprob token, int rank, ReadOnlySpan<TokenLogprob> topLogprobs)
{
    /// <summary>The token and its log-probability.</summary>
    public TokenLogprob Token { get; } = token;

    /// <summary>Its rank among all tokens, 1 for the most probable one.</summary>
    public int Rank { get; } = rank;

    /// <summary>The most probable tokens, best first.</summary>
    public ReadOnlySpan<TokenLogprob> TopLogprobs { get; } = topLogprobs;
}

/// <summary>
/// Log-probabilities of a prompt's tokens as bytes, little-endian, as they stay from the last range to the client: for each token its rank (4), the
/// count of the top logprobs (4), the token and the top logprobs, each its id (4) and log-probability (4).
/// </summary>
public static class PromptLogprobs
{
    private const int HeaderBytes = 8;
    private const int LogprobBytes = 8;

    /// <summary>Appends a token.</summary>
    internal static void Add(List<byte> target, TokenLogprob token, int rank, ReadOnlySpan<TokenLogprob> topLogprobs)
    {
        Span<byte> header = stackalloc byte[HeaderBytes + LogprobBytes];
        BinaryPrimitives.WriteInt32LittleEndian(header, rank);
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], topLogprobs.Length);
        MemoryMarshal.Write(header[HeaderBytes..], token);
        target.AddRange(header);
        target.AddRange(MemoryMarshal.AsBytes(topLogprobs));
    }

    /// <summary>Reads the first token; the bytes have no fault.</summary>
    /// <param name="source">The bytes; advanced behind the token.</param>
    /// <param name="logprob">The token.</param>
    /// <returns>False at the end.</returns>
    public static bool TryRead(scoped ref ReadOnlySpan<byte> source, out PromptLogprob logprob)
    {
        logprob = default;
        if (source.IsEmpty) return false;
        int top = BinaryPrimitives.ReadInt32LittleEndian(source[4..]);
        ReadOnlySpan<TokenLogprob> tokens = MemoryMarshal.Cast<byte, TokenLogprob>(source.Slice(HeaderBytes, (1 + top) * LogprobBytes));
        logprob = new PromptLogprob(tokens[0], BinaryPrimitives.ReadInt32LittleEndian(source), tokens[1..]);
        source = source[(HeaderBytes + ((1 + top) * LogprobBytes))..];
        return true;
    }

    /// <summary>What is wrong with the bytes; null when nothing is.</summary>
    /// <param name="source">The bytes.</param>
    /// <param name="vocabSize">Tokens of the model.</param>
    /// <param name="tokens">How many tokens they tell of.</param>
    public static string? FindFault(ReadOnlySpan<byte> source, int vocabSize, out int tokens)
    {
        for (tokens = 0; !source.IsEmpty; tokens++)
        {
            if (source.Length < HeaderBytes + LogprobBytes) return $"{source.Length} bytes are left behind {tokens} tokens";
            int top = BinaryPrimitives.ReadInt32LittleEndian(source[4..]);
            if (top < 0 || top > (source.Length - HeaderBytes - LogprobBytes) / LogprobBytes) return $"token {tokens} announces {top} top logprobs";
            TryRead(ref source, out PromptLogprob logprob);
            if (logprob.Rank < 1 || logprob.Rank > vocabSize) return $"token {tokens} has rank {logprob.Rank}";
            if (!IsGood(logprob.Token, vocabSize)) return $"token {tokens} is {logprob.Token}";
            foreach (TokenLogprob other in logprob.TopLogprobs)
            {
                if (!IsGood(other, vocabSize)) return $"token {tokens} has the top logprob {other}";
            }
        }

        return null;
    }

    private static bool IsGood(TokenLogprob logprob, int vocabSize) =>
        (uint)logprob.Token < (uint)vocabSize && !float.IsNaN(logprob.LogProbability);
}
