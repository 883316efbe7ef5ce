using System.Text.Json;
using Llama.Gateway.Api.Chat;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Reading;
using Llama.Model.Chat;

namespace Llama.Gateway.Api.Responses;

/// <summary>Reads <c>input</c>: a text, or a list of items, as the messages of a conversation.</summary>
internal static class ResponseInput
{
    private const string Message = "message";
    private const string Reasoning = "reasoning";
    private static readonly string Field = ResponseFields.Input.Name;

    /// <summary>Reads it.</summary>
    /// <param name="fields">The request.</param>
    /// <exception cref="ApiException">There is none, or it is none of the forms.</exception>
    public static List<ChatMessage> Read(JsonFields fields)
    {
        var input = fields.Require(ResponseFields.Input);
        var messages = new List<ChatMessage>();
        if (input.ValueKind == JsonValueKind.String)
        {
            messages.Add(new ChatMessage("user", input.GetString()!));
            return messages;
        }

        if (input.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(Field, input, ResponseFields.Input.Expected);
        if (input.GetArrayLength() == 0) throw ApiException.Invalid(Field, $"{Field} is empty; expected {ResponseFields.Input.Expected}.");
        var thought = "";
        var index = 0;
        foreach (var item in input.EnumerateArray())
        {
            var path = $"{Field}[{index++}]";
            if (TypeOf(item, path) == Reasoning)
            {
                thought = Join(thought, ReadReasoning(fields.Inner(item, path, FieldScope.InputReasoning), path));
                continue;
            }

            var message = ReadMessage(fields.Inner(item, path, FieldScope.InputMessage));
            if (message.Role == "assistant") message = ChatMessages.WithReasoning(message, thought);
            else AddThought(messages, thought);
            messages.Add(message);
            thought = "";
        }

        AddThought(messages, thought);
        return messages;
    }

    /// <summary>What was thought without an answer, because it was too long for one.</summary>
    private static void AddThought(List<ChatMessage> messages, string thought)
    {
        if (thought.Length > 0) messages.Add(ChatMessages.WithReasoning(new ChatMessage("assistant", ""), thought));
    }

    private static string TypeOf(JsonElement item, string path)
    {
        if (item.ValueKind != JsonValueKind.Object || !item.TryGetProperty("type", out var type) || type.ValueKind == JsonValueKind.Null) return Message;
        var name = type.ValueKind == JsonValueKind.String ? type.GetString()! : "";
        return name is Message or Reasoning ? name : throw JsonFields.Wrong($"{path}.type", type, "\"message\" or \"reasoning\"");
    }

    private static ChatMessage ReadMessage(JsonFields message)
    {
        var role = message.Require(ResponseFields.Role);

        // OpenAI's newer name for the same role.
        return new ChatMessage(role == "developer" ? "system" : role, ReadContent(message));
    }

    private static string ReadContent(JsonFields message)
    {
        var content = message.Require(ResponseFields.Content);
        var path = message.PathOf(ResponseFields.Content);
        return content.ValueKind switch
        {
            JsonValueKind.String => content.GetString()!,
            JsonValueKind.Array => string.Join('\n', content.EnumerateArray().Select((element, index) =>
            {
                var part = message.Inner(element, $"{path}[{index}]", FieldScope.InputPart);
                part.Require(ResponseFields.PartType);
                return part.Require(ResponseFields.PartText);
            })),
            _ => throw JsonFields.Wrong(path, content, ResponseFields.Content.Expected),
        };
    }

    private static string ReadReasoning(JsonFields item, string path)
    {
        item.Require(ResponseFields.ReasoningType);
        if (item.Get(ResponseFields.ReasoningContent) is not { } content) return "";
        return string.Join('\n', content.EnumerateArray().Select((element, index) =>
        {
            var part = item.Inner(element, $"{path}.content[{index}]", FieldScope.InputThought);
            part.Require(ResponseFields.ThoughtType);
            return part.Require(ResponseFields.ThoughtText);
        }));
    }

    private static string Join(string first, string second) => first.Length == 0 || second.Length == 0 ? first + second : $"{first}\n{second}";
}
