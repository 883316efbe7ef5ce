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
        var (messages, options) = Read(fields, tools);
        return (await EncodeAsync(messages, options, Field, cancellationToken), options.ContinueFinalMessage ? messages[^1].Content : null);
    }

    /// <summary>Reads the messages as the text that the model is to go on with.</summary>
    /// <inheritdoc cref="ReadAsync"/>
    public ValueTask<string> ReadTextAsync(JsonFields fields, ToolUse? tools, CancellationToken cancellationToken)
    {
        var (messages, options) = Read(fields, tools);
        CheckText(messages, options, Field);
        return model.WriteAsync(messages, options, Field, cancellationToken);
    }

    private (IReadOnlyList<ChatMessage> Messages, ChatOptions Options) Read(JsonFields fields, ToolUse? tools)
    {
        var list = fields.Require(RequestFields.Messages);
        if (list.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(Field, list, RequestFields.Messages.Expected);
        if (list.GetArrayLength() == 0) throw ApiException.Invalid(Field, "messages is empty; expected at least one message.");
        var messages = list.EnumerateArray().Select((element, index) => ReadMessage(fields.Inner(element, $"{Field}[{index}]", FieldScope.Message))).ToList();
        return (messages, ReadOptions(fields) with { Tools = tools?.ForTemplate });
    }

    /// <summary>The token ids of a conversation that the model is to answer.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">How it is written.</param>
    /// <param name="param">The request's field that holds it.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">It is too long, or the model cannot chat like this.</exception>
    public ValueTask<IReadOnlyList<int>> EncodeAsync(
        IReadOnlyList<ChatMessage> messages, ChatOptions options, string param, CancellationToken cancellationToken)
    {
        CheckText(messages, options, param);
        return model.EncodeAsync(messages, options, param, cancellationToken);
    }

    private void CheckText(IReadOnlyList<ChatMessage> messages, ChatOptions options, string param) =>
        planner.CheckText(string.Concat(messages.Select(message => message.Content).Append(options.Tools?.GetRawText())), param);

    /// <summary>What the assistant thought before a message, as a further member of it.</summary>
    /// <param name="message">The message.</param>
    /// <param name="reasoning">The reasoning; empty for none.</param>
    public static ChatMessage WithReasoning(ChatMessage message, string reasoning) => reasoning.Length == 0
        ? message
        : message with
        {
            More = new Dictionary<string, JsonElement>(message.More)
            {
                [RequestFields.ReasoningContent.Name] = JsonElement.Parse($"\"{JsonEncodedText.Encode(reasoning)}\""),
            },
        };

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

    private static string ReadContent(JsonFields message) =>
        message.ReadText(RequestFields.Content, message.Require(RequestFields.Content), FieldScope.ContentPart, ReadPart);

    private static string ReadPart(JsonFields part)
    {
        part.Require(RequestFields.PartType);
        return part.Require(RequestFields.PartText);
    }
}
