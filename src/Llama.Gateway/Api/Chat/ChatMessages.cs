using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;
using Llama.Model.Chat;

namespace Llama.Gateway.Api.Chat;

/// <summary>Reads the messages of a chat as token ids.</summary>
/// <param name="model">The model.</param>
/// <param name="planner">Knows how long a prompt may be.</param>
internal sealed class ChatMessages(ServedModel model, GenerationPlanner planner)
{
    private const string Field = "messages";

    /// <summary>Reads the messages.</summary>
    /// <param name="fields">The request.</param>
    /// <exception cref="ApiException">There are none, or they are not text, or the model cannot chat like this.</exception>
    public IReadOnlyList<int> Read(JsonFields fields)
    {
        if (!fields.TryGet(Field, out var list)) throw ApiException.Invalid(Field, "messages is missing; expected a list of messages.");
        if (list.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(Field, list, "a list of messages");
        if (list.GetArrayLength() == 0) throw ApiException.Invalid(Field, "messages is empty; expected at least one message.");
        var messages = list.EnumerateArray().Select((element, index) => ReadMessage(element, $"{Field}[{index}]")).ToList();
        planner.CheckText(string.Concat(messages.Select(message => message.Content)), Field);
        return model.Encode(messages, ReadOptions(fields));
    }

    private static ChatOptions ReadOptions(JsonFields fields)
    {
        var options = new ChatOptions
        {
            AddGenerationPrompt = fields.Flag("add_generation_prompt", missing: true),
            ContinueFinalMessage = fields.Flag("continue_final_message"),
        };
        if (!fields.TryGet("chat_template_kwargs", out var variables)) return options;
        if (variables.ValueKind != JsonValueKind.Object) throw JsonFields.Wrong("chat_template_kwargs", variables, "an object");
        return options with { Variables = variables.EnumerateObject().ToDictionary(member => member.Name, member => member.Value) };
    }

    private static ChatMessage ReadMessage(JsonElement element, string path)
    {
        var message = JsonFields.Of(element, path);
        var role = message.Text("role") ?? throw Missing(message, "role", "a string");
        if (message.TryGet("tool_calls", out var calls) && (calls.ValueKind != JsonValueKind.Array || calls.GetArrayLength() > 0))
            throw JsonFields.Wrong("Calling tools is not supported: tool_calls", calls, "absent", message.PathOf("tool_calls"));

        // OpenAI's newer name for the same role.
        return new ChatMessage(role == "developer" ? "system" : role, ReadContent(message));
    }

    private static string ReadContent(JsonFields message)
    {
        const string expected = "a string or a list of text parts";
        if (!message.TryGet("content", out var content)) throw Missing(message, "content", expected);
        var path = message.PathOf("content");
        return content.ValueKind switch
        {
            JsonValueKind.String => content.GetString()!,
            JsonValueKind.Array => string.Join('\n', content.EnumerateArray().Select((part, index) => ReadPart(part, $"{path}[{index}]"))),
            _ => throw JsonFields.Wrong(path, content, expected),
        };
    }

    private static string ReadPart(JsonElement element, string path)
    {
        var part = JsonFields.Of(element, path);
        var type = part.Text("type") ?? throw Missing(part, "type", "\"text\"");
        if (type != "text") throw ApiException.Invalid(part.PathOf("type"), $"{part.PathOf("type")} must be \"text\"; found \"{type}\".");
        return part.Text("text") ?? throw Missing(part, "text", "a string");
    }

    private static ApiException Missing(JsonFields fields, string name, string expected) =>
        ApiException.Invalid(fields.PathOf(name), $"{fields.PathOf(name)} is missing; expected {expected}.");
}
