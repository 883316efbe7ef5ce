using System.Text;
using System.Text.Json;

namespace Llama.Model.Chat.Tools;

/// <summary>
/// Tools for a template that has none: the system message describes them, calls are JSON (<see cref="ToolFormKind.Json"/>), and results are
/// messages of the user.
/// </summary>
internal static class ToolPrompt
{
    private const string Instructions =
        "You have access to the following functions. To call one, answer with JSON only, in the form "
        + "{\"name\": function name, \"parameters\": object of argument names and values}. Calls of several functions stand on a line each. "
        + "Where no function helps, answer in plain text.";

    /// <summary>Writes tools, calls and results as text.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">How it is written.</param>
    public static (IReadOnlyList<ChatMessage> Messages, ChatOptions Options) Write(IReadOnlyList<ChatMessage> messages, ChatOptions options)
    {
        if (options.Tools is null && !ToolMessages.Any(messages)) return (messages, options);
        var written = new List<ChatMessage>();
        bool answersTools = false;
        for (int i = 0; i < messages.Count; i++)
        {
            ChatMessage message = messages[i];
            bool isResult = ToolMessages.IsResult(message);
            IReadOnlyList<ToolCall> calls = ToolMessages.CallsOf(message);
            ChatMessage text = isResult ? Result(message, messages.Take(i)) : calls.Count > 0 ? Calling(message, calls) : message;

            // User and assistant take turns: results, and what the user says behind them, are one message.
            if (answersTools && text.Role == "user") written[^1] = new ChatMessage("user", $"{written[^1].Content}\n\n{text.Content}");
            else written.Add(text);
            answersTools = isResult;
        }

        if (options.Tools is not { } tools) return (written, options);
        if (written[0].Role == "system") written[0] = written[0] with { Content = $"{written[0].Content}\n\n{Describe(tools)}" };
        else written.Insert(0, new ChatMessage("system", Describe(tools)));
        return (written, options with { Tools = null });
    }

    private static ChatMessage Result(ChatMessage message, IEnumerable<ChatMessage> before) => new(
        "user", ToolMessages.NameOf(message, before) is { } name ? $"The function {name} returned:\n{message.Content}" : $"The function returned:\n{message.Content}");

    private static ChatMessage Calling(ChatMessage message, IReadOnlyList<ToolCall> calls)
    {
        var text = new StringBuilder(message.Content);
        foreach (ToolCall call in calls)
        {
            if (text.Length > 0) text.Append('\n');
            text.Append("{\"name\": \"").Append(call.Name).Append("\", \"parameters\": ").Append(call.Arguments).Append('}');
        }

        return new ChatMessage("assistant", text.ToString());
    }

    private static string Describe(JsonElement tools)
    {
        var text = new StringBuilder(Instructions).Append('\n');
        foreach (JsonElement tool in tools.EnumerateArray())
            text.Append('\n').Append((tool.TryGetProperty("function", out JsonElement function) ? function : tool).GetRawText());
        return text.ToString();
    }
}
