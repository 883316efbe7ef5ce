namespace Llama.Model.Sampling;

/// <summary>The tokens that one may be sampled from, in the order of their ids, with their logits.</summary>
/// <param name="logits"><c>[count]</c>.</param>
/// <param name="count">How many there are.</param>
/// <param name="ids"><c>[count]</c>, their ids; null for the whole vocabulary.</param>
/// <param name="best">The index of the first with the greatest logit.</param>
internal readonly unsafe struct PossibleTokens(float* logits, int count, int[]? ids, int best)
{
    /// <summary>Their logits, finite or negative infinity, <c>[Count]</c>.</summary>
    public float* Logits { get; } = logits;

    /// <summary>How many there are.</summary>
    public int Count { get; } = count;

    /// <summary>The index of the first with the greatest logit.</summary>
    public int Best { get; } = best;

    /// <summary>The id of a token.</summary>
    /// <param name="index">Its place among these.</param>
    public int IdOf(int index) => ids is null ? index : ids[index];
}
