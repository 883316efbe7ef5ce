namespace Llama.Model.Tokenization;

/// <summary>What the tokens of a vocabulary are, however its file writes them down.</summary>
internal sealed record Vocabulary
{
    /// <summary>Most ids that a vocabulary may have; the largest Llama has 128,256.</summary>
    public const int MaxSize = 1 << 20;

    /// <summary>Most characters or bytes that a token may have; the longest of the family's has 128.</summary>
    public const int MaxTokenLength = 256;

    /// <summary>By id: what the token adds to a text, in UTF-8; empty for special tokens and unused ids.</summary>
    public required byte[][] TokenBytes { get; init; }

    /// <summary>Special tokens by name: parsed from a text only on request.</summary>
    public required IReadOnlyDictionary<string, int> Special { get; init; }

    /// <summary>Added tokens that are ordinary text: each occurrence of the name in a text becomes the token.</summary>
    public IReadOnlyDictionary<string, int> Added { get; init; } = new Dictionary<string, int>();

    /// <summary>How special and added tokens are found, for those that have rules of their own.</summary>
    public IReadOnlyDictionary<string, NameRule> Rules { get; init; } = new Dictionary<string, NameRule>();

    /// <summary>The begin-of-text token, where there is one.</summary>
    public int? BeginOfText { get; init; }

    /// <summary>The end-of-text token, where a file names one.</summary>
    public int? EndOfText { get; init; }

    /// <summary>What goes before a prompt.</summary>
    public IReadOnlyList<int> PromptStart { get; init; } = [];

    /// <summary>What goes behind a prompt.</summary>
    public IReadOnlyList<int> PromptEnd { get; init; } = [];

    /// <summary>The tokens by which a gap is filled, where there are some.</summary>
    public InfillTokens? Infill { get; init; }
}
