using Llama.Grains.Generation;

namespace Llama.Grains.Scheduling;

/// <summary>
/// The sequences that wait: the highest priority first, first come first served within one. New ones are refused when there are too many,
/// of all clients or of one; those that ran before, and wait because they lost their blocks or their pipeline, always find a place.
/// </summary>
internal sealed class WaitingQueue(SchedulerLimits limits)
{
    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(1);

    private readonly SortedSet<Sequence> sequences = new(Sequence.Rank);
    private readonly Dictionary<string, int> ofClients = new(StringComparer.Ordinal);
    private long tokens;

    /// <summary>How many wait.</summary>
    public int Count => sequences.Count;

    /// <summary>Who is next; null when nobody waits.</summary>
    public Sequence? First => sequences.Min;

    /// <summary>Those who wait, next first.</summary>
    public IReadOnlyCollection<Sequence> All => sequences;

    /// <summary>Why a new sequence must not wait, or null.</summary>
    public GenerationException? Refusal(Sequence sequence)
    {
        if (sequences.Count >= limits.MaxWaiting) return Full($"{sequences.Count} requests are waiting");
        if (sequences.Count > 0 && tokens + sequence.Tokens.Count > limits.MaxWaitingTokens)
            return Full($"{tokens} tokens are waiting, and at most {limits.MaxWaitingTokens} may");
        return sequence.Request.Client is { } client && ofClients.GetValueOrDefault(client) >= limits.MaxWaitingOfClient
            ? Full($"{limits.MaxWaitingOfClient} requests of this client are waiting, which is its share")
            : null;
    }

    /// <summary>Lets a sequence wait.</summary>
    public void Add(Sequence sequence)
    {
        sequences.Add(sequence);
        tokens += sequence.Tokens.Count;
        if (sequence.Request.Client is { } client) ofClients[client] = ofClients.GetValueOrDefault(client) + 1;
    }

    /// <summary>Ends a sequence's waiting.</summary>
    public void Remove(Sequence sequence)
    {
        sequences.Remove(sequence);
        tokens -= sequence.Tokens.Count;
        if (sequence.Request.Client is not { } client) return;
        if (ofClients[client] == 1) ofClients.Remove(client);
        else ofClients[client]--;
    }

    /// <summary>A sequence that waits got a token from a step that had been sent before it lost its blocks.</summary>
    public void CountToken() => tokens++;

    /// <summary>Looks for contradictions.</summary>
    public string? FindFault()
    {
        if (sequences.Sum(sequence => (long)sequence.Tokens.Count) != tokens) return $"{tokens} tokens are said to wait; others do.";
        if (ofClients.Values.Sum() != sequences.Count(s => s.Request.Client is not null)) return "Clients' shares do not add up.";
        return sequences.FirstOrDefault(s => s.State != SequenceState.Waiting || s.Blocks.Count > 0 || s.Scheduled > 0) is { } wrong
            ? $"Sequence {wrong.Arrival} waits, is {wrong.State}, has {wrong.Blocks.Count} blocks and {wrong.Scheduled} positions."
            : null;
    }

    private static GenerationException Full(string what) => new(GenerationError.Overloaded, $"{what}; try again later.", TryAgain);
}
