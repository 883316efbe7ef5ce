using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Llama.Model.Sampling;

namespace Llama.Model.Layers;

/// <summary>A token that the last range drew, valid as long as the <see cref="DrawnTokens"/> that it is from.</summary>
/// <param name="drawn">The token.</param>
/// <param name="candidates">Its alternatives.</param>
public readonly ref struct DrawnToken(Candidate drawn, ReadOnlySpan<Candidate> candidates)
{
    /// <summary>The token and its log-probability.</summary>
    public Candidate Drawn { get; } = drawn;

    /// <summary>The most probable tokens, best first; as many as the step asked for.</summary>
    public ReadOnlySpan<Candidate> Candidates { get; } = candidates;
}

/// <summary>
/// The tokens drawn in one step. Its contents are flat, and those that a range rents out are used again: dispose of them when they have
/// been read.
/// </summary>
public sealed class DrawnTokens : IDisposable
{
    private readonly List<(Candidate Drawn, int FirstCandidate, int Candidates)> tokens = [];
    private readonly List<Candidate> candidates = [];
    private ConcurrentBag<DrawnTokens>? lender;

    /// <summary>How many they are.</summary>
    public int Count => tokens.Count;

    /// <summary>The token of one of the step's drawing sequences.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    public DrawnToken this[int index]
    {
        get
        {
            (Candidate drawn, int first, int count) = tokens[index];
            return new DrawnToken(drawn, CollectionsMarshal.AsSpan(candidates).Slice(first, count));
        }
    }

    /// <summary>Adds a token.</summary>
    /// <param name="drawn">The token and its log-probability.</param>
    /// <param name="best">The most probable tokens, best first; copied.</param>
    public void Add(Candidate drawn, ReadOnlySpan<Candidate> best)
    {
        tokens.Add((drawn, candidates.Count, best.Length));
        candidates.AddRange(best);
    }

    /// <summary>Gives rented ones back, their memory with them.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref lender, null) is not { } pool) return;
        tokens.Clear();
        candidates.Clear();
        pool.Add(this);
    }

    /// <summary>Takes empty ones from a pool, or makes them.</summary>
    /// <param name="pool">Where they go back when they are disposed of.</param>
    public static DrawnTokens Rent(ConcurrentBag<DrawnTokens> pool)
    {
        ArgumentNullException.ThrowIfNull(pool);
        if (!pool.TryTake(out DrawnTokens? drawn)) drawn = new DrawnTokens();
        drawn.lender = pool;
        return drawn;
    }
}
