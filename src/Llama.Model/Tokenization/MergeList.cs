namespace Llama.Model.Tokenization;

/// <summary>
/// Collects merges that a file lists in their order. A merge has the rank of the first one that gives the same token: files made from a
/// vocabulary with scores or ranks list every way to split a token, and there the token alone decides.
/// </summary>
/// <param name="vocab">All tokens by text.</param>
/// <param name="vocabSize">One more than the greatest id.</param>
internal sealed class MergeList(IReadOnlyDictionary<string, int> vocab, int vocabSize)
{
    private readonly Dictionary<(int, int), int> results = [];
    private readonly int[] ranks = [.. Enumerable.Repeat(int.MaxValue, vocabSize)];
    private int rank;

    /// <summary>Adds the next merge.</summary>
    /// <returns>False when the parts, or both together, are no tokens.</returns>
    public bool TryAdd(string left, string right)
    {
        if (!vocab.TryGetValue(left, out int leftId) || !vocab.TryGetValue(right, out int rightId)
            || !vocab.TryGetValue(left + right, out int result))
        {
            return false;
        }

        results.TryAdd((leftId, rightId), result);
        ranks[result] = Math.Min(ranks[result], rank++);
        return true;
    }

    /// <summary>The table of all merges.</summary>
    public MergeTable ToTable() => new(results, ranks);
}
