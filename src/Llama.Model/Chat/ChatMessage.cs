using System.Text.Json;

namespace Llama.Model.Chat;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks: <c>system</c>, <c>user</c>, <c>assistant</c> or <c>tool</c>, and what else a checkpoint's own template knows.</param>
/// <param name="Content">What is said; plain text, never parsed for special tokens.</param>
public sealed record ChatMessage(string Role, string Content)
{
    /// <summary>Further members, which a checkpoint's own template may use, those of <see cref="Tools.ToolMessages"/> among them; one named <c>content</c> goes before <see cref="Content"/>.</summary>
    public IReadOnlyDictionary<string, JsonElement> More { get; init; } = new Dictionary<string, JsonElement>();
}

/// <summary>What a request says of how a conversation is written.</summary>
public sealed record ChatOptions
{
    /// <summary>Tools that the model may call, a list of objects as OpenAI has them; null for none.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Further variables of the template (vLLM's <c>chat_template_kwargs</c>).</summary>
    public IReadOnlyDictionary<string, JsonElement> Variables { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>Whether the assistant's next message is begun.</summary>
    public bool AddGenerationPrompt { get; init; } = true;

    /// <summary>Whether the last message is gone on with instead.</summary>
    public bool ContinueFinalMessage { get; init; }

    /// <summary>Whether it says nothing that only a checkpoint's own template can do.</summary>
    internal bool IsPlain => Variables.Count == 0 && AddGenerationPrompt && !ContinueFinalMessage;
}
