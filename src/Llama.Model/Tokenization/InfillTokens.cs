namespace Llama.Model.Tokenization;

/// <summary>The tokens between which a model that was trained to fill a gap in a text (Bavarian et al., 2022, arXiv:2207.14255) reads the text around it.</summary>
/// <param name="Prefix">Comes before the text before the gap.</param>
/// <param name="Suffix">Comes before the text behind the gap.</param>
/// <param name="Middle">Comes last: behind it the model writes what belongs into the gap.</param>
/// <param name="Repository">Begins other files of the same repository; null for a model without.</param>
/// <param name="File">Comes before each file's name; null for a model without.</param>
public sealed record InfillTokens(int Prefix, int Suffix, int Middle, int? Repository, int? File)
{
    // Code Llama's, with SentencePiece's mark and without, DeepSeek Coder's, and the form that most byte-level vocabularies have.
    private static readonly (string Prefix, string Suffix, string Middle)[] Known =
    [
        ("\u2581<PRE>", "\u2581<SUF>", "\u2581<MID>"), ("<PRE>", "<SUF>", "<MID>"),
        ("<\uFF5Cfim\u2581begin\uFF5C>", "<\uFF5Cfim\u2581hole\uFF5C>", "<\uFF5Cfim\u2581end\uFF5C>"),
        ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"), ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ];

    private static readonly string[] Repositories = ["<|repo_name|>", "<reponame>"];
    private static readonly string[] Files = ["<|file_sep|>", "<file_sep>"];

    /// <summary>Tokens that end what is filled in, besides those that end any answer: another file would begin.</summary>
    public IReadOnlyList<int> EndTokens => [.. new[] { Repository, File }.OfType<int>()];

    /// <summary>Whether a token of this name is one of them, whatever its file calls its type.</summary>
    /// <param name="name">The name.</param>
    internal static bool Has(string name) =>
        Known.Any(one => one.Prefix == name || one.Suffix == name || one.Middle == name) || Repositories.Contains(name) || Files.Contains(name);

    /// <summary>The tokens of a vocabulary by their names; null where it lacks one of the three.</summary>
    /// <param name="idOf">The id of a name, or null.</param>
    internal static InfillTokens? Find(Func<string, int?> idOf)
    {
        foreach ((string prefix, string suffix, string middle) in Known)
        {
            if (idOf(prefix) is { } first && idOf(suffix) is { } second && idOf(middle) is { } third)
                return new InfillTokens(first, second, third, FirstOf(Repositories), FirstOf(Files));
        }

        return null;

        int? FirstOf(string[] names) => names.Select(idOf).FirstOrDefault(id => id is not null);
    }
}
