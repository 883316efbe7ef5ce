using System.Text.Json;
using Llama.Model.Chat.Jinja;
using Llama.Model.Chat.Tools;
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

    /// <summary>The variable by which Llama 3.1's and 3.3's templates know tools that the model was trained on.</summary>
    private const string BuiltInTools = "builtin_tools";

    /// <summary>These tools, each with its only parameter.</summary>
    private static readonly Dictionary<string, string> BuiltIn = new(StringComparer.Ordinal)
    {
        ["brave_search"] = "query",
        ["wolfram_alpha"] = "query",
        ["code_interpreter"] = "code",
    };

    private readonly IReadOnlyDictionary<string, JinjaTemplate> templates;
    private readonly TimeProvider time;
    private readonly Lazy<ToolForm> toolForm;

    /// <summary>A template.</summary>
    /// <param name="templates">Its text, or several by name.</param>
    /// <param name="tokenizer">The tokenizer it writes with.</param>
    /// <param name="time">Tells the time of day to templates that ask.</param>
    public CheckpointTemplate(IReadOnlyDictionary<string, JinjaTemplate> templates, ITokenizer tokenizer, TimeProvider time)
        : base("checkpoint", tokenizer)
    {
        this.templates = templates;
        this.time = time;
        toolForm = new Lazy<ToolForm>(() => ToolFormProbe.Find((messages, options) => RenderText(messages, options).Value, tokenizer));
    }

    /// <inheritdoc/>
    public override bool TakesOptions => true;

    /// <inheritdoc/>
    public override ToolForm ToolForm => toolForm.Value;

    private protected override IEnumerable<string> Sources => templates.Values.Select(template => template.Source);

    /// <inheritdoc/>
    public override IReadOnlyList<int> Render(IReadOnlyList<ChatMessage> messages, ChatOptions options)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ArgumentNullException.ThrowIfNull(options);
        if (messages.Count == 0) throw new ChatException("The conversation has no messages; expected at least one.");
        if (options.Tools is not null || ToolMessages.Any(messages))
        {
            // Of two templates the one without tools knows nothing of their calls and results.
            bool isOwn = ToolForm.IsOwn && (options.Tools is not null || !templates.ContainsKey(ToolUse));
            if (!isOwn) (messages, options) = ToolPrompt.Write(messages, options);
            else if (!ToolForm.TakesSeveral) messages = ToolMessages.OneCallEach(messages);
        }

        JinjaText text = RenderText(messages, options);
        return Tokenizer.EncodeTemplate(text.Value, text.FromRequest);
    }

    /// <summary>The text of a conversation.</summary>
    /// <exception cref="ChatException">The template raised an error.</exception>
    internal JinjaText RenderText(IReadOnlyList<ChatMessage> messages, ChatOptions options)
    {
        JinjaTemplate template = options.Tools is not null && templates.TryGetValue(ToolUse, out JinjaTemplate? toolUse) ? toolUse
            : templates.TryGetValue(Default, out JinjaTemplate? one) ? one : templates.Values.First();
        var variables = new Dictionary<string, object?>
        {
            ["messages"] = messages.Select(message => (object?)OfMessage(message)).ToArray(),
            ["tools"] = options.Tools is { } tools ? JinjaValues.OfRequest(tools) : null,
            ["documents"] = null,
            ["add_generation_prompt"] = options.AddGenerationPrompt && !options.ContinueFinalMessage,
        };
        if (options.Tools is { } given && NamesOfBuiltIn(given) is { Length: > 0 } names && template.Source.Contains(BuiltInTools, StringComparison.Ordinal))
            variables[BuiltInTools] = names;
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

    private static object?[] NamesOfBuiltIn(JsonElement tools) =>
    [
        .. from tool in tools.EnumerateArray()
           where tool.TryGetProperty("function", out JsonElement function) && function.TryGetProperty("name", out JsonElement name)
               && name.ValueKind == JsonValueKind.String && BuiltIn.TryGetValue(name.GetString()!, out string? parameter)
               && function.TryGetProperty("parameters", out JsonElement parameters) && parameters.ValueKind == JsonValueKind.Object
               && parameters.TryGetProperty("properties", out JsonElement properties) && properties.ValueKind == JsonValueKind.Object
               && properties.EnumerateObject().Select(property => property.Name).SequenceEqual([parameter])
           select (object?)JinjaText.OfTemplate(tool.GetProperty("function").GetProperty("name").GetString()!),
    ];

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
