using Llama.Grains.Generation;
using Llama.Grains.Scheduling;

namespace Llama.Bench.Simulate;

/// <summary>
/// A client that compares every token with what its request gets alone; and, where bits depend on shapes, that each was computed from positions in those
/// shapes in which they were computed for the first time.
/// </summary>
/// <param name="request">What it asks for.</param>
/// <param name="expected">What it gets alone.</param>
/// <param name="repeatsShapes">Whether bits depend on shapes.</param>
internal sealed class ExplorationClient(GenerationRequest request, IReadOnlyList<int> expected, bool repeatsShapes) : ISequenceClient
{
    private int received;
    private int positions;
    private ulong content;

    /// <summary>What it asks for.</summary>
    public GenerationRequest Request => request;

    /// <summary>The sequence that serves it.</summary>
    public Sequence? Sequence { get; set; }

    /// <summary>Whether it went away.</summary>
    public bool Left { get; set; }

    /// <summary>Whether nothing follows.</summary>
    public bool Ended { get; private set; }

    /// <summary>Whether it has all its tokens.</summary>
    public bool Complete { get; private set; }

    /// <summary>Tokens of its prompt that were not computed.</summary>
    public int CachedTokens { get; private set; }

    /// <inheritdoc/>
    public void Next(GeneratedToken token)
    {
        if (Ended || Complete) throw new InvalidDataException($"{Name} gets a token after its end.");
        if (received == expected.Count || token.Sampled.Token != expected[received])
            throw new InvalidDataException($"{Name} gets token {token.Sampled.Token} at {received}; alone it gets others.");
        for (; positions < request.PromptTokens.Count + received; positions++)
            content = SimulatedMemory.Compute(content, Sequence!.Tokens[positions], repeatsShapes ? Sequence.Shapes.At(positions) : 0);
        if (token.Sampled.LogProbability != SimulatedMemory.Tell(content))
            throw new InvalidDataException($"{Name} gets token {received} from positions that were computed in other shapes than at first.");
        received++;
        CachedTokens = token.CachedTokens;
        Complete = token.Finish is not null;
        if (Complete != (received == expected.Count))
            throw new InvalidDataException($"{Name} ends after {received} tokens; alone it gets {expected.Count}.");
    }

    /// <inheritdoc/>
    public void End(GenerationException? fault)
    {
        if (Ended) throw new InvalidDataException($"{Name} ends twice.");
        if (fault is null && !Complete && !Left) throw new InvalidDataException($"{Name} ends without a reason.");
        if (fault is { Error: GenerationError.Invalid }) throw new InvalidDataException($"{Name} is refused: {fault.Message}");
        Ended = true;
    }

    private string Name => $"Sequence {Sequence?.Arrival}";
}
