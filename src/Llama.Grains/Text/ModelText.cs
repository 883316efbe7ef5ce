using Llama.Model;
using Llama.Model.Chat;
using Llama.Model.Chat.Tools;
using Llama.Model.Checkpoints;
using Llama.Model.Tokenization;

namespace Llama.Grains.Text;

/// <summary>How a model reads and writes text.</summary>
public sealed class ModelText
{
    /// <summary>What a tokenizer and a template of this process make of text.</summary>
    /// <param name="tokenizer">The tokenizer, or null for a checkpoint that has none: then token ids are all that is served.</param>
    /// <param name="template">How the model chats, or null when it cannot.</param>
    public ModelText(ITokenizer? tokenizer, ChatTemplate? template)
    {
        if (tokenizer is null) return;
        (Vocabulary, LongestToken) = (tokenizer, LongestOf(tokenizer));
        Encoder = new LocalEncoder(tokenizer, template);
        EndTokens = tokenizer.EndTokens;
        if (template is not null) Template = FactsOf(template);
    }

    /// <summary>A vocabulary of this process, and an encoder elsewhere.</summary>
    internal ModelText(TextFacts facts, IVocabulary vocabulary, ITextEncoder encoder)
    {
        (Vocabulary, LongestToken, Encoder) = (vocabulary, LongestOf(vocabulary), encoder);
        (EndTokens, Template) = (facts.EndTokens, facts.Template);
    }

    /// <summary>Turns tokens into text, if the model can.</summary>
    public IVocabulary? Vocabulary { get; }

    /// <summary>Turns text into tokens, if the model can.</summary>
    public ITextEncoder? Encoder { get; }

    /// <summary>Tokens that end an answer, besides those that the configuration names.</summary>
    public IReadOnlyList<int> EndTokens { get; } = [];

    /// <summary>How the model chats, if it can.</summary>
    public TemplateFacts? Template { get; }

    /// <summary>Why it is this template; null without a tokenizer.</summary>
    public string? Reason { get; private init; }

    /// <summary>What is amiss in the vocabulary and can be lived with.</summary>
    public IReadOnlyList<string> Warnings { get; private init; } = [];

    /// <summary>Bytes of the longest token; 0 without a tokenizer.</summary>
    public int LongestToken { get; }

    /// <summary>Chooses the template of a checkpoint whose tokenizer is being read.</summary>
    /// <param name="reading">Reads the tokenizer.</param>
    /// <param name="warnings">What reading it warned of.</param>
    /// <param name="path">The checkpoint.</param>
    /// <param name="family">Its family.</param>
    /// <param name="template">The template's name, or null for that of the checkpoint.</param>
    /// <exception cref="CheckpointException">The tokenizer or the template cannot be used.</exception>
    /// <exception cref="ArgumentException">The tokenizer lacks a special token that the chosen chat template needs.</exception>
    public static async Task<ModelText> ReadAsync(
        Task<ITokenizer?> reading, IReadOnlyList<string> warnings, string path, LlamaFamily family, string? template)
    {
        ArgumentNullException.ThrowIfNull(reading);
        if (await reading.ConfigureAwait(false) is not { } tokenizer) return new ModelText(null, null);
        ChatTemplate chosen = ChatTemplates.Choose(path, family, tokenizer, template, out string reason);
        return new ModelText(tokenizer, chosen) { Reason = reason, Warnings = warnings };
    }

    private static TemplateFacts FactsOf(ChatTemplate template) =>
        new(template.Name, template.TakesOptions, template.StopTokens, template.Reasoning, template.ToolForm);

    private static int LongestOf(IVocabulary vocabulary)
    {
        int longest = 0;
        for (int id = 0; id < vocabulary.VocabSize; id++) longest = Math.Max(longest, vocabulary.TokenBytes(id).Length);
        return longest;
    }
}

/// <summary>What is to be known of a chat template by who does not run it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="TakesOptions">Whether it does what <see cref="ChatOptions"/> ask for.</param>
/// <param name="StopTokens">Tokens that end a message, besides those of the configuration and of the vocabulary.</param>
/// <param name="Reasoning">Between which marks the model reasons before it answers; null for one that does not.</param>
/// <param name="ToolForm">How it writes calls of tools; null where an older gateway does not tell.</param>
[GenerateSerializer, Immutable, Alias("llama.template-facts")]
public sealed record TemplateFacts(
    [property: Id(0)] string Name, [property: Id(1)] bool TakesOptions, [property: Id(2)] IReadOnlyList<int> StopTokens,
    [property: Id(3)] ReasoningMarks? Reasoning, [property: Id(4)] ToolForm? ToolForm);

/// <summary>What is to be known of a tokenizer by who has only its vocabulary.</summary>
/// <param name="EndTokens">Tokens that end an answer.</param>
/// <param name="Template">The chat template; null for a model that cannot chat.</param>
/// <param name="AddsLeadingSpace">See <see cref="IVocabulary.AddsLeadingSpace"/>.</param>
/// <param name="VocabularyBytes">Bytes of the vocabulary as <see cref="VocabularyCodec"/> writes it.</param>
[GenerateSerializer, Immutable, Alias("llama.text-facts")]
public sealed record TextFacts(
    [property: Id(0)] IReadOnlyList<int> EndTokens, [property: Id(1)] TemplateFacts? Template, [property: Id(2)] bool AddsLeadingSpace,
    [property: Id(3)] int VocabularyBytes);
