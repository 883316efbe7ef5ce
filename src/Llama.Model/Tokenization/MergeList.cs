namespace Llama.Model.Tokenization;

/// <summary>
/// Collects merges that a file lists in their order. A merge has the rank of the first one that gives the same token: files made from a
/// vocabulary with scores or ranks list every way to split a token, and there the token alone decides.
/// </summary>
/// <param name="vocab">All tokens by text.</param>
/// <param name="vocabSize">One more than the greatest id.</param>
/// <param name="count">About how many merges there are.</param>
internal sealed class MergeList(Dictionary<string, int> vocab, int vocabSize, int count)
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> tokens = vocab.GetAlternateLookup<ReadOnlySpan<char>>();
    private readonly Dictionary<(int, int), int> results = new(count);
    private readonly int[] ranks = [.. Enumerable.Repeat(int.MaxValue, vocabSize)];
    private int rank;

    /// <summary>Adds the next merge.</summary>
    /// <returns>False when the parts, or both together, are no tokens.</returns>
    public bool TryAdd(ReadOnlySpan<char> left, ReadOnlySpan<char> right)
    {
        if (left.Length + right.Length > Vocabulary.MaxTokenLength) return false;
        Span<char> both = stackalloc char[left.Length + right.Length];
        left.CopyTo(both);
        right.CopyTo(both[left.Length..]);
        if (!tokens.TryGetValue(left, out int leftId) || !tokens.TryGetValue(right, out int rightId)
            || !tokens.TryGetValue(both, out int result))
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
