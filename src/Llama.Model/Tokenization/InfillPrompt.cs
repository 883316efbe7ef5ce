namespace Llama.Model.Tokenization;

/// <summary>A file that a model may look at while it fills a gap in another one.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Text">What it says.</param>
public sealed record InfillFile(string Name, string Text);

/// <summary>A text with a gap that a model is to fill.</summary>
/// <param name="Prefix">The text before the gap.</param>
/// <param name="Suffix">The text behind it.</param>
/// <param name="Files">Other files, in the order in which the model reads them.</param>
public sealed record InfillPrompt(string Prefix, string Suffix, IReadOnlyList<InfillFile> Files)
{
    // As in llama.cpp's server: what stands for names that no request tells, and for the tokens that a vocabulary lacks.
    private const string RepositoryName = "myproject\n";
    private const string FileName = "filename\n";
    private const string Snippet = "\n\n--- snippet ---\n\n";

    // A character that no merge joins with what is behind it: its tokens are taken off again.
    private const string Anchor = "\u263A";

    /// <summary>
    /// The token ids: begin-of-text, other files, and prefix, suffix and middle in Code Llama's order (B. Rozière et al., 2023, arXiv:2308.12950,
    /// section 2.3; codellama's generation.py). All of it is text: names of special tokens are none of those tokens.
    /// </summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <exception cref="ArgumentException">The vocabulary has no such tokens.</exception>
    public IReadOnlyList<int> Encode(ITokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (tokenizer.Infill is not { } marks) throw new ArgumentException("The vocabulary has no tokens to fill a gap with.", nameof(tokenizer));
        return
        [
            .. tokenizer.PromptStart, .. EncodeFiles(tokenizer, marks),
            marks.Prefix, .. tokenizer.Encode(Prefix), marks.Suffix, .. EncodeContinued(tokenizer, Suffix), marks.Middle,
        ];
    }

    private IEnumerable<int> EncodeFiles(ITokenizer tokenizer, InfillTokens marks)
    {
        if (Files.Count == 0) return [];
        if (marks.File is not { } mark) return Files.SelectMany(file => tokenizer.Encode(Snippet + file.Text));
        IEnumerable<int> repository = marks.Repository is { } begin ? [begin, .. tokenizer.Encode(RepositoryName)] : [];
        return
        [
            .. repository, .. Files.SelectMany(file => (int[])[mark, .. tokenizer.Encode($"{file.Name}\n{file.Text}")]),
            mark, .. tokenizer.Encode(FileName),
        ];
    }

    /// <summary>The ids of a text that goes on within another one, so that no space goes before it.</summary>
    private static IEnumerable<int> EncodeContinued(ITokenizer tokenizer, string text) => tokenizer.AddsLeadingSpace
        ? tokenizer.Encode(Anchor + text).Skip(tokenizer.Encode(Anchor).Count)
        : tokenizer.Encode(text);
}
