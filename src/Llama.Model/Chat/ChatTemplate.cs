using Llama.Model.Tokenization;

namespace Llama.Model.Chat;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks: <c>system</c>, <c>user</c> or <c>assistant</c>.</param>
/// <param name="Content">What is said.</param>
public sealed record ChatMessage(string Role, string Content);

/// <summary>A conversation does not fit its template.</summary>
/// <param name="message">Which message, what was found, what was expected.</param>
public sealed class ChatException(string message) : Exception(message);

/// <summary>Writes a conversation as the token ids that a model was trained on.</summary>
public abstract class ChatTemplate
{
    /// <summary>Tokens that end an assistant's message, besides the model's own end tokens.</summary>
    public virtual IReadOnlyList<int> StopTokens => [];

    /// <summary>The prompt of a conversation, begin-of-text included.</summary>
    /// <param name="messages">The messages, oldest first.</param>
    /// <exception cref="ChatException">A message does not fit the template.</exception>
    public abstract IReadOnlyList<int> Render(IReadOnlyList<ChatMessage> messages);
}

/// <summary>The chat templates by name.</summary>
public static class ChatTemplates
{
    /// <summary>The template of a name.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="tokenizer">The tokenizer it writes with.</param>
    public static ChatTemplate Create(string name, ITokenizer tokenizer) =>
        name == "plain" ? new PlainTemplate(tokenizer) : new StepTemplate(tokenizer);

    private class PlainTemplate(ITokenizer tokenizer) : ChatTemplate
    {
        public override IReadOnlyList<int> Render(IReadOnlyList<ChatMessage> messages)
        {
            if (messages.FirstOrDefault(message => message.Role is not ("system" or "user" or "assistant")) is { } unknown)
                throw new ChatException($"A message has the role '{unknown.Role}'.");
            return [tokenizer.BeginOfText, .. tokenizer.Encode(string.Join('\n', messages.Select(message => message.Content)))];
        }
    }

    private sealed class StepTemplate(ITokenizer tokenizer) : PlainTemplate(tokenizer)
    {
        public override IReadOnlyList<int> StopTokens { get; } = [tokenizer.FindSpecial("<step>")!.Value];
    }
}
