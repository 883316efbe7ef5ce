using System.Globalization;
using System.Text.RegularExpressions;

namespace Llama.Gateway.Api.Document;

/// <summary>
/// The values that a field takes, for programs, made of the words that the table of fields, and so docs/api.md and every error, say it with:
/// the document can differ from neither.
/// </summary>
internal sealed partial record FieldShape
{
    /// <summary>JSON's types that the values may have, in JSON Schema's words; empty for any.</summary>
    public IReadOnlyList<string> Types { get; private init; } = [];

    /// <summary>The least number, or null.</summary>
    public string? Least { get; private init; }

    /// <summary>Whether the least number is none of the values.</summary>
    public bool IsLeastExcluded { get; private init; }

    /// <summary>The greatest number, or null.</summary>
    public string? Most { get; private init; }

    /// <summary>The most characters of a string, or null.</summary>
    public int? MostCharacters { get; private init; }

    /// <summary>The strings that are taken; empty for all.</summary>
    public IReadOnlyList<string> Values { get; private init; } = [];

    /// <summary>The type of a list's elements, or null.</summary>
    public string? ItemType { get; private init; }

    /// <summary>What words mean.</summary>
    /// <param name="expected">The values that a field takes, in the words of the table.</param>
    public static FieldShape Of(string expected)
    {
        string[] types = [.. TypesOf(expected).Distinct()];
        bool isOne = types.Length == 1;
        Match range = RangeWords().Match(expected);
        Match above = AboveWords().Match(expected);
        Match characters = CharacterWords().Match(expected);
        return new FieldShape
        {
            Types = types,
            Least = isOne ? Number(range, 1) ?? Number(above, 1) : null,
            IsLeastExcluded = isOne && above.Success,
            Most = isOne ? Number(range, 2) ?? Number(above, 2) : null,
            MostCharacters = isOne && characters.Success ? int.Parse(characters.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : null,
            Values = isOne && QuotedList().IsMatch(expected) ? [.. Quoted().Matches(expected).Select(match => match.Groups[1].Value)] : [],
            ItemType = !isOne || types[0] != "array" ? null : TokenList().IsMatch(expected) ? "integer" : StringList().IsMatch(expected) ? "string" : null,
        };
    }

    private static IEnumerable<string> TypesOf(string expected)
    {
        if (expected.Contains("true or false", StringComparison.Ordinal)) yield return "boolean";
        if (Quoted().IsMatch(expected)) yield return "string";
        foreach (Match match in TypeWords().Matches(expected))
        {
            switch (match.Groups[1].Value)
            {
                case "list":
                    yield return "array";
                    break;
                case "JSON schema":
                    yield return "object";
                    yield return "boolean";
                    break;
                case var name:
                    yield return name;
                    break;
            }
        }
    }

    private static string? Number(Match match, int group) => match.Success ? match.Groups[group].Value : null;

    [GeneratedRegex(@"\b(?:an?|the) (string|list|object|integer|number|JSON schema)\b")]
    private static partial Regex TypeWords();

    [GeneratedRegex(@"\bfrom (-?[0-9.]+) to (-?[0-9]+(?:\.[0-9]+)?)")]
    private static partial Regex RangeWords();

    [GeneratedRegex(@"\babove (-?[0-9.]+) and at most (-?[0-9.]+)")]
    private static partial Regex AboveWords();

    [GeneratedRegex(@"\bat most ([0-9]+) characters")]
    private static partial Regex CharacterWords();

    [GeneratedRegex("\"([^\"]+)\"")]
    private static partial Regex Quoted();

    [GeneratedRegex("^\"[^\"]+\"((, | or )\"[^\"]+\")*$")]
    private static partial Regex QuotedList();

    [GeneratedRegex("^a list of ([a-z0-9 ]+ )?token ids?$")]
    private static partial Regex TokenList();

    [GeneratedRegex("^a list of ([a-z0-9 ]+ )?strings\\b")]
    private static partial Regex StringList();
}
