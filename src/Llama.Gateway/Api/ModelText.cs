using Llama.Model;
using Llama.Model.Chat;
using Llama.Model.Checkpoints;
using Llama.Model.Tokenization;

namespace Llama.Gateway.Api;

/// <summary>How a model reads and writes text.</summary>
public sealed class ModelText
{
    /// <summary>What a tokenizer and a template make of text.</summary>
    /// <param name="tokenizer">The tokenizer, or null for a checkpoint that has none: then token ids are all that is served.</param>
    /// <param name="template">How the model chats, or null when it cannot.</param>
    public ModelText(ITokenizer? tokenizer, ChatTemplate? template)
    {
        Tokenizer = tokenizer;
        Template = template;
        for (var id = 0; id < tokenizer?.VocabSize; id++) LongestToken = Math.Max(LongestToken, tokenizer.TokenBytes(id).Length);
    }

    /// <summary>The tokenizer, if there is one.</summary>
    public ITokenizer? Tokenizer { get; }

    /// <summary>How the model chats, if it can.</summary>
    public ChatTemplate? Template { get; }

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
    internal static async Task<ModelText> ReadAsync(
        Task<ITokenizer?> reading, IReadOnlyList<string> warnings, string path, LlamaFamily family, string? template)
    {
        if (await reading is not { } tokenizer) return new ModelText(null, null);
        var chosen = ChatTemplates.Choose(path, family, tokenizer, template, out string reason);
        return new ModelText(tokenizer, chosen) { Reason = reason, Warnings = warnings };
    }
}
