using System.Buffers;
using System.Globalization;
using System.Text;

namespace Llama.Model.Tokenization;

/// <summary>Finds names (of special, added or user-defined tokens) in a text; of several that begin at one place, the longest.</summary>
internal sealed class NameMatcher
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> ids;
    private readonly Dictionary<char, int[]> lengths;
    private readonly SearchValues<char> firstCharacters;
    private readonly Dictionary<int, NameRule> rules;

    /// <summary>A matcher of names, none of them empty.</summary>
    /// <param name="names">Token ids by name.</param>
    /// <param name="rules">How some of them are found.</param>
    public NameMatcher(IEnumerable<KeyValuePair<string, int>> names, IReadOnlyDictionary<string, NameRule>? rules = null)
    {
        var byName = new Dictionary<string, int>(names);
        ids = byName.GetAlternateLookup<ReadOnlySpan<char>>();
        lengths = byName.Keys.GroupBy(name => name[0])
            .ToDictionary(group => group.Key, group => group.Select(name => name.Length).Distinct().OrderDescending().ToArray());
        firstCharacters = SearchValues.Create(lengths.Keys.ToArray());
        this.rules = byName.Where(token => rules?.ContainsKey(token.Key) == true).ToDictionary(token => token.Value, token => rules![token.Key]);
    }

    /// <summary>The id of a name, or null.</summary>
    public int? Find(string name) => ids.TryGetValue(name, out int id) ? id : null;

    /// <summary>The first place in a text where a name begins, or the white space that belongs to it.</summary>
    /// <param name="text">The text.</param>
    /// <param name="length">The length of the name there, with the white space that belongs to it.</param>
    /// <param name="id">The token of that name.</param>
    /// <param name="isToken">Asked with id, place and length whether a name counts; null where all do.</param>
    /// <returns>The index, or -1 when the text has none.</returns>
    public int IndexIn(ReadOnlySpan<char> text, out int length, out int id, Func<int, int, int, bool>? isToken = null)
    {
        for (int start = 0; start < text.Length; start++)
        {
            int step = text[start..].IndexOfAny(firstCharacters);
            if (step < 0) break;
            start += step;
            if (!BeginsWith(text[start..], start, isToken, out length, out id)) continue;
            if (!rules.TryGetValue(id, out NameRule rule)) return start;

            // A name within a word is skipped as a whole.
            int end = start + length;
            if (!rule.SingleWord || (!EndsInWord(text[..start]) && !BeginsInWord(text[end..])))
            {
                if (rule.StripRight) end += text[end..].Length - text[end..].TrimStart().Length;
                if (rule.StripLeft) start = text[..start].TrimEnd().Length;
                length = end - start;
                return start;
            }

            start = end - 1;
        }
        length = id = 0;
        return -1;
    }

    private static bool EndsInWord(ReadOnlySpan<char> text) =>
        Rune.DecodeLastFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool BeginsInWord(ReadOnlySpan<char> text) =>
        Rune.DecodeFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && IsWord(rune);

    // \w of regular expressions over Unicode (UTS #18): letters, marks, decimal digits, connectors.
    private static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter
        or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter or UnicodeCategory.LetterNumber
        or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
        or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.ConnectorPunctuation;

    private bool BeginsWith(ReadOnlySpan<char> text, int place, Func<int, int, int, bool>? isToken, out int length, out int id)
    {
        foreach (int candidate in lengths[text[0]])
        {
            length = candidate;
            if (candidate <= text.Length && ids.TryGetValue(text[..candidate], out id) && isToken?.Invoke(id, place, candidate) != false) return true;
        }
        length = id = 0;
        return false;
    }
}
