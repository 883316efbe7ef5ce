using System.Buffers;

namespace Llama.Model.Tokenization;

/// <summary>Finds names (of special, added or user-defined tokens) in a text; of several that begin at one place, the longest.</summary>
internal sealed class NameMatcher
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> ids;
    private readonly Dictionary<char, int[]> lengths;
    private readonly SearchValues<char> firstCharacters;

    /// <summary>A matcher of names, none of them empty.</summary>
    /// <param name="names">Token ids by name.</param>
    public NameMatcher(IEnumerable<KeyValuePair<string, int>> names)
    {
        var byName = new Dictionary<string, int>(names);
        ids = byName.GetAlternateLookup<ReadOnlySpan<char>>();
        lengths = byName.Keys.GroupBy(name => name[0])
            .ToDictionary(group => group.Key, group => group.Select(name => name.Length).Distinct().OrderDescending().ToArray());
        firstCharacters = SearchValues.Create(lengths.Keys.ToArray());
    }

    /// <summary>The id of a name, or null.</summary>
    public int? Find(string name) => ids.TryGetValue(name, out int id) ? id : null;

    /// <summary>The first place in a text where a name begins.</summary>
    /// <param name="text">The text.</param>
    /// <param name="length">The length of the name there.</param>
    /// <param name="id">The token of that name.</param>
    /// <returns>The index, or -1 when the text has none.</returns>
    public int IndexIn(ReadOnlySpan<char> text, out int length, out int id)
    {
        for (int start = 0; start < text.Length; start++)
        {
            int step = text[start..].IndexOfAny(firstCharacters);
            if (step < 0) break;
            start += step;
            if (BeginsWith(text[start..], out length, out id)) return start;
        }
        length = id = 0;
        return -1;
    }

    private bool BeginsWith(ReadOnlySpan<char> text, out int length, out int id)
    {
        foreach (int candidate in lengths[text[0]])
        {
            length = candidate;
            if (candidate <= text.Length && ids.TryGetValue(text[..candidate], out id)) return true;
        }
        length = id = 0;
        return false;
    }
}
