using System.Text.Json;
using Llama.Model.Tokenization;

namespace Llama.Model.Chat.Tools;

/// <summary>Finds out how a template writes calls by having it write one, as llama.cpp does: what its source mentions says less.</summary>
internal static class ToolFormProbe
{
    private const string Name = "probed_tool";
    private const string OtherName = "probed_tool_2";

    private static readonly JsonElement Tools = JsonElement.Parse(
        $$"""
        [{"type":"function","function":{"name":"{{Name}}","description":"d","parameters":{"type":"object","properties":{"a":{"type":"string","description":"d"} },"required":["a"]} } }]
        """);

    private static readonly ChatMessage Question = new("user", "question");

    /// <summary>The form of a template.</summary>
    /// <param name="render">Gives the text of a conversation.</param>
    /// <param name="tokenizer">Knows the special tokens.</param>
    /// <returns>The plain one where the template writes no tools, or their calls in another form.</returns>
    public static ToolForm Find(Func<IReadOnlyList<ChatMessage>, ChatOptions, string> render, ITokenizer tokenizer)
    {
        var options = new ChatOptions { Tools = Tools };
        if (Try(render, [Question], options)?.Contains(Name, StringComparison.Ordinal) is not true
            || Try(render, [Question, Calling(Name), Result(Name)], options) is not { } text
            || !text.Contains("result of " + Name, StringComparison.Ordinal)
            || KindOf(text, tokenizer) is not { } kind)
        {
            return ToolForm.Plain(tokenizer);
        }

        string? several = Try(render, [Question, Calling(Name, OtherName), Result(Name), Result(OtherName)], options);
        return ToolForm.Of(kind, isOwn: true, takesSeveral: several?.Contains(OtherName, StringComparison.Ordinal) is true, tokenizer);
    }

    private static ToolFormKind? KindOf(string text, ITokenizer tokenizer)
    {
        if (!text.Contains("\"a\": \"b\"", StringComparison.Ordinal)) return null;
        if (text.Contains($"<function={Name}>", StringComparison.Ordinal)) return ToolFormKind.Function;
        if (text.Contains("<tool_call>", StringComparison.Ordinal)) return ToolFormKind.Tagged;
        return text.Contains(ToolForm.Plain(tokenizer).Before(Name) + "{", StringComparison.Ordinal) ? ToolFormKind.Json : null;
    }

    private static ChatMessage Calling(params IEnumerable<string> names) =>
        ToolMessages.Calling(null, names.Select(name => new ToolCall("call_" + name, name, """{"a": "b"}""")));

    private static ChatMessage Result(string name) => ToolMessages.Result("call_" + name, name, "result of " + name);

    private static string? Try(Func<IReadOnlyList<ChatMessage>, ChatOptions, string> render, IReadOnlyList<ChatMessage> messages, ChatOptions options)
    {
        try
        {
            return render(messages, options);
        }
        catch (ChatException)
        {
            return null;
        }
    }
}
