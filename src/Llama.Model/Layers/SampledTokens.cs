using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Llama.Model.Sampling;

namespace Llama.Model.Layers;

/// <summary>A token that the last range sampled, valid as long as the <see cref="SampledTokens"/> that it is from.</summary>
/// <param name="sampled">The token.</param>
/// <param name="topLogprobs">Its alternatives.</param>
public readonly ref struct SampledToken(TokenLogprob sampled, ReadOnlySpan<TokenLogprob> topLogprobs)
{
    /// <summary>The token and its log-probability.</summary>
    public TokenLogprob Sampled { get; } = sampled;

    /// <summary>The most probable tokens, best first; as many as the step asked for.</summary>
    public ReadOnlySpan<TokenLogprob> TopLogprobs { get; } = topLogprobs;
}

/// <summary>
/// The tokens sampled in one step, and what else the last range tells of its sequences. Its contents are flat, and those that a range rents out are used again: dispose of them when they have
/// been read.
/// </summary>
public sealed class SampledTokens : IDisposable
{
    private readonly List<(TokenLogprob Sampled, int FirstTopLogprob, int TopLogprobs)> tokens = [];
    private readonly List<TokenLogprob> topLogprobs = [];
    private readonly List<byte> parts = [];
    private ConcurrentBag<SampledTokens>? lender;

    /// <summary>How many they are.</summary>
    public int Count => tokens.Count;

    /// <summary>The token of one of the step's sampling sequences.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    public SampledToken this[int index]
    {
        get
        {
            (TokenLogprob sampled, int first, int count) = tokens[index];
            return new SampledToken(sampled, CollectionsMarshal.AsSpan(topLogprobs).Slice(first, count));
        }
    }

    /// <summary>Optional parts, encoded (<see cref="ResultParts"/>).</summary>
    public ReadOnlySpan<byte> Parts => CollectionsMarshal.AsSpan(parts);

    /// <summary>Where parts are appended.</summary>
    internal List<byte> PartList => parts;

    /// <summary>Adds optional parts.</summary>
    /// <param name="encoded">Whole parts, encoded.</param>
    public void AddParts(ReadOnlySpan<byte> encoded) => parts.AddRange(encoded);

    /// <summary>Adds a token.</summary>
    /// <param name="sampled">The token and its log-probability.</param>
    /// <param name="best">The most probable tokens, best first; copied.</param>
    public void Add(TokenLogprob sampled, ReadOnlySpan<TokenLogprob> best)
    {
        tokens.Add((sampled, topLogprobs.Count, best.Length));
        topLogprobs.AddRange(best);
    }

    /// <summary>Gives rented ones back, their memory with them.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref lender, null) is not { } pool) return;
        tokens.Clear();
        topLogprobs.Clear();
        parts.Clear();
        pool.Add(this);
    }

    /// <summary>Takes empty ones from a pool, or makes them.</summary>
    /// <param name="pool">Where they go back when they are disposed of.</param>
    public static SampledTokens Rent(ConcurrentBag<SampledTokens> pool)
    {
        ArgumentNullException.ThrowIfNull(pool);
        if (!pool.TryTake(out SampledTokens? sampled)) sampled = new SampledTokens();
        sampled.lender = pool;
        return sampled;
    }
}
