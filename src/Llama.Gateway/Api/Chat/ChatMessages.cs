using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Tools;
using Llama.Model.Chat;
using Llama.Model.Chat.Tools;

namespace Llama.Gateway.Api.Chat;

/// <summary>Reads the messages of a chat as token ids.</summary>
/// <param name="model">The model.</param>
/// <param name="planner">Knows how long a prompt may be.</param>
internal sealed class ChatMessages(ServedModel model, GenerationPlanner planner)
{
    private static readonly string Field = RequestFields.Messages.Name;

    /// <summary>Reads the messages.</summary>
    /// <param name="fields">The request.</param>
    /// <param name="tools">Its tools; null for none.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <returns>The token ids, and what the last message says where the answer goes on with it.</returns>
    /// <exception cref="ApiException">There are none, or they are not text, or the model cannot chat like this.</exception>
    public async ValueTask<(IReadOnlyList<int> Tokens, string? Continued)> ReadAsync(
        JsonFields fields, ToolUse? tools, CancellationToken cancellationToken)
    {
        var list = fields.Require(RequestFields.Messages);
        if (list.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(Field, list, RequestFields.Messages.Expected);
        if (list.GetArrayLength() == 0) throw ApiException.Invalid(Field, "messages is empty; expected at least one message.");
        var messages = list.EnumerateArray().Select((element, index) => ReadMessage(fields.Inner(element, $"{Field}[{index}]", FieldScope.Message))).ToList();
        var options = ReadOptions(fields) with { Tools = tools?.ForTemplate };
        planner.CheckText(string.Concat(messages.Select(message => message.Content).Append(options.Tools?.GetRawText())), Field);
        return (await model.EncodeAsync(messages, options, cancellationToken), options.ContinueFinalMessage ? messages[^1].Content : null);
    }

    /// <summary>The first field that says how messages are written, unless none asks for anything; null without one.</summary>
    /// <param name="fields">The request.</param>
    public static RequestField? FindOption(JsonFields fields) =>
        fields.Get(RequestFields.AddGenerationPrompt) is false ? RequestFields.AddGenerationPrompt
        : fields.Get(RequestFields.ContinueFinalMessage) is true ? RequestFields.ContinueFinalMessage
        : fields.Get(RequestFields.ChatTemplateVariables)?.EnumerateObject().Any() is true ? RequestFields.ChatTemplateVariables
        : null;

    private ChatOptions ReadOptions(JsonFields fields)
    {
        if (FindOption(fields) is not { Name: var name }) return new ChatOptions();
        if (model.Template is { TakesOptions: false } template)
        {
            throw ApiException.Invalid(
                name, $"{name} needs a checkpoint with a chat template of its own; the chat template is {template.Name}.", "unsupported_parameter");
        }

        var begins = fields.Get(RequestFields.AddGenerationPrompt);
        var continues = fields.Get(RequestFields.ContinueFinalMessage) is true;
        if (begins is true && continues)
        {
            var field = RequestFields.ContinueFinalMessage.Name;
            throw ApiException.Invalid(field, $"{field} goes on with the last message; found true beside add_generation_prompt, which begins another one.");
        }

        return new ChatOptions { AddGenerationPrompt = begins ?? true, ContinueFinalMessage = continues, Variables = ReadVariables(fields) };
    }

    private static Dictionary<string, JsonElement> ReadVariables(JsonFields fields)
    {
        var variables = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        if (fields.Get(RequestFields.ChatTemplateVariables) is not { } given) return variables;
        foreach (var variable in given.EnumerateObject())
        {
            if (!variables.TryAdd(variable.Name, variable.Value))
                throw FieldCheck.GivenTwice(FieldCheck.PathOf(RequestFields.ChatTemplateVariables.Name, variable.Name));
        }

        return variables;
    }

    private static ChatMessage ReadMessage(JsonFields message)
    {
        var role = message.Require(RequestFields.Role);
        ThrowUnless(role == ToolMessages.Tool, message, RequestFields.ResultOf, "a result of a tool, which has the role tool");
        ThrowUnless(role == ToolMessages.Tool, message, RequestFields.MessageName, "a result of a tool, which has the role tool");
        if (role == ToolMessages.Tool)
            return ToolMessages.Result(message.Get(RequestFields.ResultOf), message.Get(RequestFields.MessageName), ReadContent(message));

        var calls = ToolFields.ReadCalls(message);
        if (calls.Count > 0 && role != "assistant")
        {
            var path = message.PathOf(RequestFields.MessageCalls);
            throw ApiException.Invalid(path, $"{path} is for messages of the role assistant; found the role {role}.");
        }

        // OpenAI's newer name for the same role.
        var read = calls.Count > 0
            ? ToolMessages.Calling(message.Get(RequestFields.Content) is null ? null : ReadContent(message), calls)
            : new ChatMessage(role == "developer" ? "system" : role, ReadContent(message));
        return message.Get(RequestFields.ReasoningContent) is { } reasoning
            ? read with { More = new Dictionary<string, JsonElement>(read.More) { [RequestFields.ReasoningContent.Name] = reasoning } }
            : read;
    }

    private static void ThrowUnless(bool holds, JsonFields message, HonouredField<string?> field, string expected)
    {
        if (holds || message.Get(field) is not { Length: > 0 }) return;
        var path = message.PathOf(field);
        throw ApiException.Invalid(path, $"{path} is for {expected}; found it in another message.");
    }

    private static string ReadContent(JsonFields message)
    {
        var content = message.Require(RequestFields.Content);
        var path = message.PathOf(RequestFields.Content);
        return content.ValueKind switch
        {
            JsonValueKind.String => content.GetString()!,
            JsonValueKind.Array => string.Join('\n', content.EnumerateArray().Select(
                (part, index) => ReadPart(message.Inner(part, $"{path}[{index}]", FieldScope.ContentPart)))),
            _ => throw JsonFields.Wrong(path, content, RequestFields.Content.Expected),
        };
    }

    private static string ReadPart(JsonFields part)
    {
        var type = part.Require(RequestFields.PartType);
        var path = part.PathOf(RequestFields.PartType);
        if (type != "text") throw ApiException.Invalid(path, $"{path} must be \"text\"; found \"{type}\".");
        return part.Require(RequestFields.PartText);
    }
}
