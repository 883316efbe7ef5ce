using Llama.Model.Chat.Tools;
using Llama.Model.Tokenization;

namespace Llama.Model.Chat;

/// <summary>
/// Writes a conversation as the token ids that a model was trained on, up to where the assistant's next message begins. What people wrote
/// is encoded as text alone, so that no message can forge a special token. Immutable; may be used from several threads.
/// </summary>
public abstract class ChatTemplate
{
    /// <summary>The role of instructions that come first.</summary>
    private protected const string System = "system";

    /// <summary>The role of the one who asks.</summary>
    private protected const string User = "user";

    /// <summary>The role of the model.</summary>
    private protected const string Assistant = "assistant";

    private protected ChatTemplate(string name, ITokenizer tokenizer)
    {
        Name = name;
        Tokenizer = tokenizer;
    }

    /// <summary>The template's name, as <see cref="ChatTemplates.Create"/> knows it.</summary>
    public string Name { get; }

    /// <summary>Tokens that end an assistant's message, besides those of the configuration and of the vocabulary.</summary>
    public virtual IReadOnlyList<int> StopTokens => [];

    /// <summary>Whether it does what <see cref="ChatOptions"/> ask for; a template without does nothing but begin the assistant's message.</summary>
    public virtual bool TakesOptions => false;

    /// <summary>Between which marks the model reasons before it answers; null for one that does not.</summary>
    public ReasoningMarks? Reasoning => ReasoningMarks.Find(Tokenizer, Sources);

    /// <summary>How it writes tools and the calls of them.</summary>
    public virtual ToolForm ToolForm => ToolForm.Plain(Tokenizer);

    private protected ITokenizer Tokenizer { get; }

    /// <summary>The texts of a checkpoint's own templates.</summary>
    private protected virtual IEnumerable<string> Sources => [];

    /// <summary>The prompt of a conversation.</summary>
    /// <param name="messages">The messages, oldest first.</param>
    /// <returns>Token ids, begin-of-text included.</returns>
    /// <exception cref="ChatException">There is no message, or a message has a role that the template does not allow there.</exception>
    public IReadOnlyList<int> Render(IReadOnlyList<ChatMessage> messages) => Render(messages, new ChatOptions());

    /// <summary>The prompt of a conversation.</summary>
    /// <param name="messages">The messages, oldest first.</param>
    /// <param name="options">How it is written.</param>
    /// <returns>Token ids, begin-of-text included.</returns>
    /// <exception cref="ChatException">
    /// There is no message, the template does not allow a message where it is, or it cannot do what the options ask for.
    /// </exception>
    public virtual IReadOnlyList<int> Render(IReadOnlyList<ChatMessage> messages, ChatOptions options)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ArgumentNullException.ThrowIfNull(options);
        if (messages.Count == 0) throw new ChatException("The conversation has no messages; expected at least one.");
        (messages, options) = ToolPrompt.Write(messages, options);
        if (!options.IsPlain)
        {
            throw new ChatException(
                $"The chat template {Name} takes no variables or other ends of a conversation; only a checkpoint's own template does.");
        }

        var ids = new List<int>();
        Write(messages, ids);
        return ids;
    }

    /// <summary>The id of a special token that the template cannot do without.</summary>
    /// <exception cref="ArgumentException">The vocabulary lacks it.</exception>
    private protected int Require(string special) => Tokenizer.FindSpecial(special)
        ?? throw new ArgumentException($"The chat template {Name} needs the special token {special}, which the tokenizer lacks.");

    /// <summary>Appends the ids of one or more messages, begin-of-text included.</summary>
    private protected abstract void Write(IReadOnlyList<ChatMessage> messages, List<int> ids);

    /// <summary>Appends begin-of-text, where the vocabulary has one.</summary>
    private protected void WriteBeginOfText(List<int> ids)
    {
        if (Tokenizer.BeginOfText is { } beginOfText) ids.Add(beginOfText);
    }

    /// <summary>Appends the ids of a text in which nothing is special.</summary>
    private protected void WriteText(string text, List<int> ids) => ids.AddRange(Tokenizer.Encode(text));

    /// <summary>Checks one message's role.</summary>
    private protected void CheckRole(IReadOnlyList<ChatMessage> messages, int index, params ReadOnlySpan<string> allowed)
    {
        string role = messages[index].Role;
        if (allowed.Contains(role)) return;
        throw new ChatException(
            $"Message {index} has the role '{role}'; the chat template {Name} allows {string.Join(" or ", allowed!)} there.");
    }

    /// <summary>Checks that user and assistant take turns after an optional system message, and that the user speaks last.</summary>
    /// <returns>The index of the first user message.</returns>
    private protected int CheckTurns(IReadOnlyList<ChatMessage> messages)
    {
        CheckRole(messages, 0, System, User);
        int first = messages[0].Role == System ? 1 : 0;
        for (int i = first; i < messages.Count; i++)
            CheckRole(messages, i, (i - first) % 2 == 0 ? User : Assistant);
        if ((messages.Count - first) % 2 == 0)
        {
            throw new ChatException($"The last message, {messages.Count - 1}, has the role '{messages[^1].Role}'; "
                + $"the chat template {Name} needs one of {User} last.");
        }
        return first;
    }
}
