namespace Llama.Model.Tokenization;

/// <summary>Turns text into token ids and back. Implementations are immutable and may be used from several threads.</summary>
public interface ITokenizer : IVocabulary
{
    /// <summary>The begin-of-text token, or null for a vocabulary without one.</summary>
    int? BeginOfText { get; }

    /// <summary>The end-of-text token that the checkpoint's files name, or null.</summary>
    int? EndOfText { get; }

    /// <summary>The tokens that go before a prompt, most often begin-of-text; none where the checkpoint says so.</summary>
    IReadOnlyList<int> PromptStart { get; }

    /// <summary>The tokens that go behind a prompt: none with nearly all checkpoints.</summary>
    IReadOnlyList<int> PromptEnd { get; }

    /// <summary>
    /// The tokens after which an answer is over, as far as the vocabulary tells: its end-of-text token, and those whose names end a text
    /// or a turn. What the model's configuration names comes on top.
    /// </summary>
    IReadOnlyList<int> EndTokens { get; }

    /// <summary>The tokens by which the model fills a gap in a text; null for a model that was not trained to.</summary>
    InfillTokens? Infill { get; }

    /// <summary>
    /// The ids of a text, without begin-of-text. Well-formed Unicode in; a lone surrogate counts as U+FFFD.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="parseSpecial">
    /// Whether names of special tokens in the text (such as <c>&lt;|eot_id|&gt;</c>) become those tokens: true for what a chat template
    /// wrote, false for what a user wrote.
    /// </param>
    IReadOnlyList<int> Encode(string text, bool parseSpecial = false);

    /// <summary>
    /// The ids of a text that a template wrote around what a request says: names of special tokens in it become those tokens, but none that
    /// has a character of the request's.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="fromRequest">By UTF-16 unit: whether the request wrote it; null for a text that has nothing of a request.</param>
    IReadOnlyList<int> EncodeTemplate(string text, IReadOnlyList<bool>? fromRequest);

    /// <summary>The name of a special (or added) token, or null for others.</summary>
    string? NameOf(int id);

    /// <summary>
    /// The id of a special (or added) token by its exact name, or null when the vocabulary has none of that name. In Meta's format Llama 3's
    /// tokens that 3.1 renamed are known by both names.
    /// </summary>
    int? FindSpecial(string name);
}
