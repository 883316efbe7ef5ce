using System.Buffers;
using System.Text.Json;

namespace Llama.Model.Chat.Tools;

/// <summary>A call of a tool in a conversation.</summary>
/// <param name="Id">By which its result names it.</param>
/// <param name="Name">The tool.</param>
/// <param name="Arguments">Its arguments, a JSON object as a text; what is none goes to templates as a text.</param>
public sealed record ToolCall(string Id, string Name, string Arguments);

/// <summary>The messages of a conversation that are about tools, with the members that chat templates read (transformers' and OpenAI's).</summary>
public static class ToolMessages
{
    /// <summary>The role of a tool's result.</summary>
    public const string Tool = "tool";

    private const string Assistant = "assistant";
    private const string Calls = "tool_calls";
    private const string CallId = "tool_call_id";
    private const string Name = "name";
    private const string Arguments = "arguments";

    /// <summary>A message with which the assistant calls tools.</summary>
    /// <param name="content">What it says besides; null for nothing.</param>
    /// <param name="calls">The calls, at least one.</param>
    public static ChatMessage Calling(string? content, IEnumerable<ToolCall> calls)
    {
        var more = new Dictionary<string, JsonElement>(StringComparer.Ordinal) { [Calls] = Write(calls) };
        if (content is null) more["content"] = JsonElement.Parse("null");
        return new ChatMessage(Assistant, content ?? "") { More = more };
    }

    /// <summary>A message with the result of a call.</summary>
    /// <param name="callId">The call's id; null where that is not said.</param>
    /// <param name="name">The tool; null where that is not said.</param>
    /// <param name="content">The result.</param>
    public static ChatMessage Result(string? callId, string? name, string content)
    {
        var more = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        if (callId is not null) more[CallId] = Text(callId);
        if (name is not null) more[Name] = Text(name);
        return new ChatMessage(Tool, content) { More = more };
    }

    /// <summary>The calls of a message; none in most.</summary>
    /// <param name="message">The message.</param>
    public static IReadOnlyList<ToolCall> CallsOf(ChatMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (!message.More.TryGetValue(Calls, out JsonElement list) || list.ValueKind != JsonValueKind.Array) return [];
        return [.. list.EnumerateArray().Select(call => (Id: Member(call, "id"), Function: Member(call, "function"))).Select(call => new ToolCall(
            TextOf(call.Id) ?? "", TextOf(Member(call.Function, Name)) ?? "",
            TextOf(Member(call.Function, Arguments)) ?? Member(call.Function, Arguments)?.GetRawText() ?? "{}"))];
    }

    /// <summary>Whether a message is a tool's result.</summary>
    internal static bool IsResult(ChatMessage message) => message.Role == Tool;

    /// <summary>Whether a conversation has calls or results.</summary>
    internal static bool Any(IEnumerable<ChatMessage> messages) => messages.Any(message => IsResult(message) || message.More.ContainsKey(Calls));

    /// <summary>Whose result a message is: the tool's name, or null.</summary>
    /// <param name="result">The message.</param>
    /// <param name="before">The messages before it.</param>
    internal static string? NameOf(ChatMessage result, IEnumerable<ChatMessage> before) =>
        TextOf(result, Name) ?? (TextOf(result, CallId) is { } id ? before.SelectMany(CallsOf).LastOrDefault(call => call.Id == id)?.Name : null);

    /// <summary>
    /// The same conversation with one call a message, each followed by its result: for templates that take no more. Results that belong to
    /// none of the calls stay behind them.
    /// </summary>
    internal static IReadOnlyList<ChatMessage> OneCallEach(IReadOnlyList<ChatMessage> messages)
    {
        var separate = new List<ChatMessage>();
        for (int i = 0; i < messages.Count; i++)
        {
            IReadOnlyList<ToolCall> calls = CallsOf(messages[i]);
            if (calls.Count <= 1)
            {
                separate.Add(messages[i]);
                continue;
            }

            List<ChatMessage> results = [.. messages.Skip(i + 1).TakeWhile(IsResult)];
            int last = i + results.Count;
            for (int at = 0; at < calls.Count; at++)
            {
                ToolCall call = calls[at];
                separate.Add(Calling(at == 0 && messages[i].Content.Length > 0 ? messages[i].Content : null, [call]));
                if (results.Find(result => TextOf(result, CallId) == call.Id) is not { } own) continue;
                results.Remove(own);
                separate.Add(own);
            }

            separate.AddRange(results);
            i = last;
        }

        return separate;
    }

    private static JsonElement? Member(JsonElement? parent, string name) =>
        parent is { ValueKind: JsonValueKind.Object } members && members.TryGetProperty(name, out JsonElement value) ? value : null;

    private static string? TextOf(JsonElement? value) => value is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    private static string? TextOf(ChatMessage message, string member) => message.More.TryGetValue(member, out JsonElement value) ? TextOf(value) : null;

    private static JsonElement Text(string text) => Made(json => json.WriteStringValue(text));

    // Templates write arguments with tojson, so they are to be an object; OpenAI's clients send its text.
    private static JsonElement Write(IEnumerable<ToolCall> calls) => Made(json =>
    {
        json.WriteStartArray();
        foreach (ToolCall call in calls)
        {
            json.WriteStartObject();
            json.WriteString("id", call.Id);
            json.WriteString("type", "function");
            json.WriteStartObject("function");
            json.WriteString(Name, call.Name);
            json.WritePropertyName(Arguments);
            if (IsObject(call.Arguments)) json.WriteRawValue(call.Arguments);
            else json.WriteStringValue(call.Arguments);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    private static bool IsObject(string text)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static JsonElement Made(Action<Utf8JsonWriter> write)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes)) write(json);
        return JsonElement.Parse(bytes.WrittenSpan);
    }
}
