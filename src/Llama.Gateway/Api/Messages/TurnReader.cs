using System.Text.Json;
using Llama.Gateway.Api.Chat;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Reading;
using Llama.Model.Chat;

namespace Llama.Gateway.Api.Messages;

/// <summary>Reads <c>system</c> and <c>messages</c> of Anthropic's form as the messages of a conversation.</summary>
internal static class TurnReader
{
    private const string Text = "text";
    private const string Thinking = "thinking";
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
        if (fields.Get(MessageFields.System) is { } system) messages.Add(new ChatMessage("system", ReadSystem(fields, system)));
        var index = 0;
        foreach (var element in list.EnumerateArray())
        {
            var message = ReadTurn(fields.Inner(element, $"{Field}[{index++}]", FieldScope.Turn));
            if (messages.Count > 0 && messages[^1].Role == message.Role) messages[^1] = Join(messages[^1], message);
            else messages.Add(message);
        }

        return messages;
    }

    /// <summary>Whether the answer goes on with the last message.</summary>
    /// <param name="messages">The conversation.</param>
    public static bool GoesOn(IReadOnlyList<ChatMessage> messages) => messages[^1].Role == Assistant;

    private static string ReadSystem(JsonFields fields, JsonElement system)
    {
        var field = MessageFields.System;
        return system.ValueKind switch
        {
            JsonValueKind.String => system.GetString()!,
            JsonValueKind.Array => string.Join('\n', system.EnumerateArray().Select(
                (block, index) => ReadText(fields.Inner(block, $"{field.Name}[{index}]", FieldScope.TextBlock)))),
            _ => throw JsonFields.Wrong(field.Name, system, field.Expected),
        };
    }

    private static ChatMessage ReadTurn(JsonFields turn)
    {
        var role = turn.Require(MessageFields.Role);
        var content = turn.Require(MessageFields.Content);
        var path = turn.PathOf(MessageFields.Content);
        if (content.ValueKind == JsonValueKind.String) return new ChatMessage(role, content.GetString()!);
        if (content.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(path, content, MessageFields.Content.Expected);
        var (texts, thoughts) = (new List<string>(), new List<string>());
        var index = 0;
        foreach (var block in content.EnumerateArray())
        {
            var place = $"{path}[{index++}]";
            if (TypeOf(block, place, role) == Text) texts.Add(ReadText(turn.Inner(block, place, FieldScope.TextBlock)));
            else thoughts.Add(ReadThinking(turn.Inner(block, place, FieldScope.ThinkingBlock)));
        }

        return ChatMessages.WithReasoning(new ChatMessage(role, string.Join('\n', texts)), string.Join('\n', thoughts));
    }

    private static string TypeOf(JsonElement block, string path, string role)
    {
        string[] types = role == Assistant ? [Text, Thinking] : [Text];
        if (block.ValueKind != JsonValueKind.Object) throw JsonFields.Wrong(path, block, "an object");
        if (!block.TryGetProperty("type", out var type)) throw ApiException.Invalid($"{path}.type", $"{path}.type is missing; expected {Listed(types)}.");
        var name = type.ValueKind == JsonValueKind.String ? type.GetString()! : "";
        return types.Contains(name) ? name : throw JsonFields.Wrong($"{path}.type", type, Listed(types));
    }

    private static string Listed(string[] types) => string.Join(" or ", types.Select(type => $"\"{type}\""));

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
