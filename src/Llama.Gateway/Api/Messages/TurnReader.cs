using System.Text.Json;
using Llama.Gateway.Api.Chat;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Reading;
using Llama.Model.Chat;
using Llama.Model.Chat.Tools;

namespace Llama.Gateway.Api.Messages;

/// <summary>Reads <c>system</c> and <c>messages</c> of Anthropic's form as the messages of a conversation.</summary>
internal static class TurnReader
{
    private const string Text = "text";
    private const string Thinking = "thinking";
    private const string Use = "tool_use";
    private const string Result = "tool_result";
    private const string Assistant = "assistant";
    private static readonly string Field = MessageFields.Messages.Name;

    /// <summary>Reads them.</summary>
    /// <param name="fields">The request.</param>
    /// <exception cref="ApiException">There are none, or they are not text.</exception>
    public static List<ChatMessage> Read(JsonFields fields)
    {
        var list = fields.Require(MessageFields.Messages);
        if (list.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(Field, list, MessageFields.Messages.Expected);
        if (list.GetArrayLength() == 0) throw ApiException.Invalid(Field, $"{Field} is empty; expected at least one message.");
        var messages = new List<ChatMessage>();
        if (fields.Get(MessageFields.System) is { } system) messages.Add(new ChatMessage("system", ReadText(fields, MessageFields.System, system)));
        var index = 0;
        foreach (var element in list.EnumerateArray())
        {
            foreach (var message in ReadTurn(fields.Inner(element, $"{Field}[{index++}]", FieldScope.Turn)))
            {
                if (messages.Count > 0 && AreOne(messages[^1], message)) messages[^1] = Join(messages[^1], message);
                else messages.Add(message);
            }
        }

        return messages;
    }

    /// <summary>Whether the answer goes on with the last message.</summary>
    /// <param name="messages">The conversation.</param>
    public static bool GoesOn(IReadOnlyList<ChatMessage> messages) => messages[^1].Role == Assistant;

    /// <summary>Messages of one role are one, unless they say more than a text.</summary>
    private static bool AreOne(ChatMessage first, ChatMessage second) =>
        first.Role == second.Role && first.Role != ToolMessages.Tool && first.More.Count == 0 && second.More.Count == 0;

    /// <summary>A turn: the results of tools that it has, and what else it says.</summary>
    private static List<ChatMessage> ReadTurn(JsonFields turn)
    {
        var role = turn.Require(MessageFields.Role);
        var content = turn.Require(MessageFields.Content);
        var path = turn.PathOf(MessageFields.Content);
        if (content.ValueKind == JsonValueKind.String) return [new ChatMessage(role, content.GetString()!)];
        if (content.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(path, content, MessageFields.Content.Expected);
        var (texts, thoughts) = (new List<string>(), new List<string>());
        var (calls, messages) = (new List<ToolCall>(), new List<ChatMessage>());
        var index = 0;
        foreach (var block in content.EnumerateArray())
        {
            var place = $"{path}[{index++}]";
            switch (JsonFields.ReadType(block, place, role == Assistant ? [Text, Thinking, Use] : [Text, Result]))
            {
                case Thinking:
                    thoughts.Add(ReadThinking(turn.Inner(block, place, FieldScope.ThinkingBlock)));
                    break;
                case Use:
                    calls.Add(ReadCall(turn.Inner(block, place, FieldScope.UseBlock)));
                    break;
                case Result:
                    messages.Add(ReadResult(turn.Inner(block, place, FieldScope.ResultBlock)));
                    break;
                default:
                    texts.Add(ReadText(turn.Inner(block, place, FieldScope.TextBlock)));
                    break;
            }
        }

        if (texts.Count == 0 && calls.Count == 0 && messages.Count > 0) return messages;
        var text = string.Join('\n', texts);
        var message = calls.Count > 0 ? ToolMessages.Calling(texts.Count == 0 ? null : text, calls) : new ChatMessage(role, text);
        return [.. messages, ChatMessages.WithReasoning(message, string.Join('\n', thoughts))];
    }

    private static ToolCall ReadCall(JsonFields use)
    {
        use.Require(MessageFields.UseType);
        return new ToolCall(
            use.Require(MessageFields.UseId), use.Require(RequestFields.FunctionName), use.Require(MessageFields.UseInput).GetRawText());
    }

    private static ChatMessage ReadResult(JsonFields result)
    {
        result.Require(MessageFields.ResultType);
        var field = MessageFields.ResultContent;
        var text = result.Get(field) is { } content ? ReadText(result, field, content) : "";
        return ToolMessages.Result(result.Require(MessageFields.ResultOf), name: null, text);
    }

    private static string ReadText(JsonFields fields, HonouredField<JsonElement?> field, JsonElement value) =>
        fields.ReadText(field, value, FieldScope.TextBlock, ReadText);

    private static string ReadText(JsonFields block)
    {
        block.Require(MessageFields.TextType);
        return block.Require(MessageFields.Text);
    }

    private static string ReadThinking(JsonFields block)
    {
        block.Require(MessageFields.ThinkingType);
        return block.Require(MessageFields.Thinking);
    }

    private static ChatMessage Join(ChatMessage first, ChatMessage second) =>
        second with { Content = first.Content.Length == 0 || second.Content.Length == 0 ? first.Content + second.Content : $"{first.Content}\n{second.Content}" };
}
