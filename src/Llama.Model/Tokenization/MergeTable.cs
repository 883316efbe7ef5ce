using System.Text;

namespace Llama.Model.Tokenization;

/// <summary>
/// Which two neighbouring symbols become one, and which of several possible merges comes first: the learned part of byte-pair encoding.
/// A symbol is a token id, or <c>~scalar</c> (a negative number) for a character that is no token by itself.
/// </summary>
/// <param name="results">The token that a pair of symbols becomes.</param>
/// <param name="ranks">By token id: merges that give a token of lower rank come first.</param>
internal sealed class MergeTable(Dictionary<(int Left, int Right), int> results, int[] ranks)
{
    /// <summary>The table of a vocabulary in which any two symbols merge whose texts together are a token's text.</summary>
    /// <param name="pieces">The tokens that merges can give, by text.</param>
    /// <param name="ranks">By token id: the order of merges.</param>
    public static MergeTable FromPieces(Dictionary<string, int> pieces, int[] ranks)
    {
        var byText = pieces.GetAlternateLookup<ReadOnlySpan<char>>();
        var results = new Dictionary<(int, int), int>(2 * pieces.Count);
        foreach ((string piece, int id) in pieces)
        {
            for (int cut = 1; cut < piece.Length; cut++)
            {
                if (char.IsLowSurrogate(piece[cut])) continue;
                if (TryFindSymbol(byText, piece.AsSpan(0, cut), out int left) && TryFindSymbol(byText, piece.AsSpan(cut), out int right))
                    results[(left, right)] = id;
            }
        }
        return new MergeTable(results, ranks);
    }

    /// <summary>What two neighbouring symbols become.</summary>
    /// <param name="left">The left symbol.</param>
    /// <param name="right">The right symbol.</param>
    /// <param name="result">The token they become.</param>
    /// <param name="rank">The place of this merge in the order: lower ones first.</param>
    /// <returns>False when they stay apart.</returns>
    public bool TryMerge(int left, int right, out int result, out int rank)
    {
        bool found = results.TryGetValue((left, right), out result);
        rank = found ? ranks[result] : 0;
        return found;
    }

    /// <summary>The place of a token's merges in the order.</summary>
    public int RankOf(int token) => ranks[token];

    /// <summary>All pairs of tokens that merge, those that come first first.</summary>
    public IEnumerable<(int Left, int Right)> InOrder() =>
        results.Where(merge => merge.Key is { Left: >= 0, Right: >= 0 }).OrderBy(merge => ranks[merge.Value]).ThenBy(merge => merge.Key.Left)
            .Select(merge => merge.Key);

    private static bool TryFindSymbol(
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> pieces, ReadOnlySpan<char> text, out int symbol)
    {
        if (pieces.TryGetValue(text, out symbol)) return true;
        Rune.DecodeFromUtf16(text, out Rune rune, out int length);
        symbol = ~rune.Value;
        return length == text.Length;
    }
}
