using Llama.Model.Chat.Jinja;
using Llama.Model.Tokenization;

namespace Llama.Model.Chat;

/// <summary>
/// A checkpoint's own template. Texts are those of transformers' <c>apply_chat_template</c>; what the template itself wrote may become
/// special tokens, what a request wrote never.
/// </summary>
internal sealed class CheckpointTemplate : ChatTemplate
{
    /// <summary>The name of the template that is used where a conversation has no tools.</summary>
    public const string Default = "default";

    /// <summary>The name of the template that is used where it has some.</summary>
    public const string ToolUse = "tool_use";

    private readonly IReadOnlyDictionary<string, JinjaTemplate> templates;
    private readonly TimeProvider time;

    /// <summary>A template.</summary>
    /// <param name="templates">Its text, or several by name.</param>
    /// <param name="tokenizer">The tokenizer it writes with.</param>
    /// <param name="time">Tells the time of day to templates that ask.</param>
    public CheckpointTemplate(IReadOnlyDictionary<string, JinjaTemplate> templates, ITokenizer tokenizer, TimeProvider time)
        : base("checkpoint", tokenizer)
    {
        this.templates = templates;
        this.time = time;
    }

    /// <inheritdoc/>
    public override bool TakesOptions => true;

    /// <inheritdoc/>
    public override string? Source => Usual.Source;

    private JinjaTemplate Usual => templates.TryGetValue(Default, out JinjaTemplate? one) ? one : templates.Values.First();

    private protected override IEnumerable<string> Sources => templates.Values.Select(template => template.Source);

    /// <inheritdoc/>
    public override IReadOnlyList<int> Render(IReadOnlyList<ChatMessage> messages, ChatOptions options)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ArgumentNullException.ThrowIfNull(options);
        CheckCount(messages);
        JinjaText text = RenderText(messages, options);
        return Tokenizer.EncodeTemplate(text.Value, text.FromRequest);
    }

    /// <inheritdoc/>
    public override string RenderAsText(IReadOnlyList<ChatMessage> messages, ChatOptions options)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ArgumentNullException.ThrowIfNull(options);
        CheckCount(messages);
        return RenderText(messages, options).Value;
    }

    /// <summary>The text of a conversation.</summary>
    /// <exception cref="ChatException">The template raised an error.</exception>
    internal JinjaText RenderText(IReadOnlyList<ChatMessage> messages, ChatOptions options)
    {
        JinjaTemplate template = options.Tools is not null && templates.TryGetValue(ToolUse, out JinjaTemplate? toolUse) ? toolUse
            : Usual;
        var variables = new Dictionary<string, object?>
        {
            ["messages"] = messages.Select(message => (object?)OfMessage(message)).ToArray(),
            ["tools"] = options.Tools is { } tools ? JinjaValues.OfRequest(tools) : null,
            ["documents"] = null,
            ["add_generation_prompt"] = options.AddGenerationPrompt && !options.ContinueFinalMessage,
        };
        AddToken("bos_token", Tokenizer.BeginOfText);
        AddToken("eos_token", Tokenizer.EndOfText);
        foreach ((string name, var value) in options.Variables) variables[name] = JinjaValues.OfRequest(value);
        try
        {
            JinjaText text = template.Render(variables, time.GetLocalNow());
            return options.ContinueFinalMessage ? CutAfter(text, messages[^1].Content) : text;
        }
        catch (JinjaException exception)
        {
            throw new ChatException($"The checkpoint's chat template: {exception.Message}");
        }

        void AddToken(string name, int? token)
        {
            if (token is { } id && Tokenizer.NameOf(id) is { } text) variables[name] = JinjaText.OfTemplate(text);
        }
    }

    private protected override void Write(IReadOnlyList<ChatMessage> messages, List<int> ids) => ids.AddRange(Render(messages, new ChatOptions()));

    private static OrderedDictionary<JinjaText, object?> OfMessage(ChatMessage message)
    {
        OrderedDictionary<JinjaText, object?> members = JinjaValues.Dictionary(
        [
            (JinjaText.OfTemplate("role"), JinjaText.OfRequest(message.Role)), (JinjaText.OfTemplate("content"), JinjaText.OfRequest(message.Content)),
        ]);
        foreach ((string name, var value) in message.More) members[JinjaText.OfRequest(name)] = JinjaValues.OfRequest(value);
        return members;
    }

    // As transformers does it: whatever the template wrote behind the last message goes.
    private static JinjaText CutAfter(JinjaText text, string content)
    {
        string core = content.Trim();
        int at = core.Length == 0 ? -1 : text.Value.LastIndexOf(core, StringComparison.Ordinal);
        if (at < 0) throw new JinjaException("the last message is not in the text that the template writes, so it cannot be gone on with");
        string kept = content.TrimStart();
        bool whole = text.Value.AsSpan(at).StartsWith(kept, StringComparison.Ordinal);
        return text.Slice(0, at + (whole ? kept.Length : core.Length));
    }
}
