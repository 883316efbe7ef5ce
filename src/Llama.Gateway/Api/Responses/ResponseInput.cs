using System.Text.Json;
using Llama.Gateway.Api.Chat;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Reading;
using Llama.Model.Chat;
using Llama.Model.Chat.Tools;

namespace Llama.Gateway.Api.Responses;

/// <summary>
/// Reads <c>input</c>: a text, or a list of items, as the messages of a conversation. Reasoning, a message and calls of the assistant that come after
/// each other are one message.
/// </summary>
internal sealed class ResponseInput
{
    private const string Message = "message";
    private const string Reasoning = "reasoning";
    private const string Call = "function_call";
    private const string Result = "function_call_output";
    private const string Assistant = "assistant";
    private static readonly string[] Types = [Message, Reasoning, Call, Result];
    private static readonly string Field = ResponseFields.Input.Name;

    private readonly List<ChatMessage> messages = [];
    private readonly List<ToolCall> calls = [];
    private string thought = "";
    private string? text;

    private ResponseInput()
    {
    }

    /// <summary>Reads it.</summary>
    /// <param name="fields">The request.</param>
    /// <exception cref="ApiException">There is none, or it is none of the forms.</exception>
    public static IReadOnlyList<ChatMessage> Read(JsonFields fields)
    {
        var input = fields.Require(ResponseFields.Input);
        if (input.ValueKind == JsonValueKind.String) return [new ChatMessage("user", input.GetString()!)];
        if (input.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(Field, input, ResponseFields.Input.Expected);
        if (input.GetArrayLength() == 0) throw ApiException.Invalid(Field, $"{Field} is empty; expected {ResponseFields.Input.Expected}.");
        var reader = new ResponseInput();
        var index = 0;
        foreach (var item in input.EnumerateArray()) reader.Add(fields, item, $"{Field}[{index++}]");
        reader.EndMessage();
        return reader.messages;
    }

    private void Add(JsonFields fields, JsonElement item, string path)
    {
        switch (JsonFields.ReadType(item, path, Types, usual: Message))
        {
            case Reasoning:
                var more = ReadReasoning(fields.Inner(item, path, FieldScope.InputReasoning));
                if (text is not null || calls.Count > 0) EndMessage();
                thought = thought.Length == 0 || more.Length == 0 ? thought + more : $"{thought}\n{more}";
                break;
            case Call:
                calls.Add(ReadCall(fields.Inner(item, path, FieldScope.InputCall)));
                break;
            case Result:
                EndMessage();
                var result = fields.Inner(item, path, FieldScope.InputResult);
                result.Require(ResponseFields.ResultType);
                messages.Add(ToolMessages.Result(result.Require(ResponseFields.CallId), name: null, ReadText(result, ResponseFields.Output)));
                break;
            default:
                AddMessage(fields.Inner(item, path, FieldScope.InputMessage));
                break;
        }
    }

    private void AddMessage(JsonFields message)
    {
        var role = message.Require(ResponseFields.Role);
        var content = ReadText(message, ResponseFields.Content);
        if (text is not null || calls.Count > 0 || role != Assistant) EndMessage();

        // OpenAI's newer name for the same role.
        if (role == Assistant) text = content;
        else messages.Add(new ChatMessage(role == "developer" ? "system" : role, content));
    }

    private void EndMessage()
    {
        if (calls.Count > 0) Add(ToolMessages.Calling(text, [.. calls]));

        // What was thought without an answer was too long for one.
        else if (text is not null || thought.Length > 0) Add(new ChatMessage(Assistant, text ?? ""));
        calls.Clear();
        (thought, text) = ("", null);
    }

    private void Add(ChatMessage message) => messages.Add(ChatMessages.WithReasoning(message, thought));

    private static ToolCall ReadCall(JsonFields call)
    {
        call.Require(ResponseFields.CallType);
        var arguments = call.Require(RequestFields.CallArguments);
        return new ToolCall(
            call.Require(ResponseFields.CallId), call.Require(RequestFields.FunctionName),
            arguments.ValueKind == JsonValueKind.String ? arguments.GetString()! : arguments.GetRawText());
    }

    private static string ReadText(JsonFields item, HonouredField<JsonElement?> field) =>
        item.ReadText(field, item.Require(field), FieldScope.InputPart, part =>
        {
            part.Require(ResponseFields.PartType);
            return part.Require(ResponseFields.PartText);
        });

    private static string ReadReasoning(JsonFields item)
    {
        item.Require(ResponseFields.ReasoningType);
        if (item.Get(ResponseFields.ReasoningContent) is not { } content) return "";
        return item.ReadParts(ResponseFields.ReasoningContent, content, FieldScope.InputThought, part =>
        {
            part.Require(ResponseFields.ThoughtType);
            return part.Require(ResponseFields.ThoughtText);
        });
    }
}
