using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Reading;
using Llama.Model.Chat.Tools;

namespace Llama.Gateway.Api.Tools;

/// <summary>Whose form tools are in.</summary>
internal enum ToolDialect
{
    /// <summary>OpenAI's chats.</summary>
    Chat,

    /// <summary>OpenAI's responses: a tool is its function.</summary>
    Responses,

    /// <summary>Anthropic's messages.</summary>
    Messages,
}

/// <summary>Reads <c>tools</c>, <c>tool_choice</c> and <c>parallel_tool_calls</c>, and the calls of messages.</summary>
internal static class ToolFields
{
    private const int MostTools = 128;

    /// <summary>Reads the tools of a request.</summary>
    /// <param name="fields">The request.</param>
    /// <param name="dialect">Whose form they are in.</param>
    /// <returns>Null when there are none.</returns>
    /// <exception cref="ApiException">A tool is none, or the choice names none of them.</exception>
    public static ToolUse? Read(JsonFields fields, ToolDialect dialect = ToolDialect.Chat)
    {
        var tools = fields.Get(RequestFields.Tools) is { } list ? ReadTools(fields, list, dialect) : [];
        var (choice, only, parallel) = dialect == ToolDialect.Messages ? ReadMessageChoice(fields) : ReadChoice(fields, dialect);
        var field = RequestFields.ToolChoice.Name;
        if (tools.Count == 0)
        {
            if (choice == ToolChoice.Required) throw ApiException.Invalid(field, $"{field} requires a call; found it without tools.");
            return null;
        }

        if (only is not null && !tools.Exists(tool => tool.Name == only))
        {
            throw ApiException.Invalid(
                field, $"{field} names the function '{Shown(only)}'; expected one of tools: {string.Join(", ", tools.Select(tool => tool.Name))}.");
        }

        return new ToolUse(tools, choice, only, parallel);
    }

    /// <summary>Reads the calls of an assistant's message.</summary>
    /// <param name="message">The message.</param>
    public static IReadOnlyList<ToolCall> ReadCalls(JsonFields message)
    {
        if (message.Get(RequestFields.MessageCalls) is not { } list) return [];
        var path = message.PathOf(RequestFields.MessageCalls);
        if (list.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(path, list, RequestFields.MessageCalls.Expected);
        return [.. list.EnumerateArray().Select((call, index) => ReadCall(message.Inner(call, $"{path}[{index}]", FieldScope.ToolCall)))];
    }

    private static ToolCall ReadCall(JsonFields call)
    {
        var function = call.Inner(call.Require(RequestFields.CalledFunction), call.PathOf(RequestFields.CalledFunction), FieldScope.CalledFunction);
        var arguments = function.Require(RequestFields.CallArguments);
        return new ToolCall(
            call.Get(RequestFields.CallId) ?? "", function.Require(RequestFields.FunctionName),
            arguments.ValueKind == JsonValueKind.String ? arguments.GetString()! : arguments.GetRawText());
    }

    private static List<ToolDefinition> ReadTools(JsonFields fields, JsonElement list, ToolDialect dialect)
    {
        var field = RequestFields.Tools;
        if (list.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(field.Name, list, field.Expected);
        if (list.GetArrayLength() > MostTools)
            throw ApiException.Invalid(field.Name, $"{field.Name} may have at most {MostTools} tools; found {list.GetArrayLength()}.");
        var tools = new List<ToolDefinition>();
        foreach (var element in list.EnumerateArray())
        {
            var function = FunctionOf(fields, element, $"{field.Name}[{tools.Count}]", dialect);
            var schema = dialect == ToolDialect.Messages ? MessageFields.InputSchema : RequestFields.FunctionParameters;
            var path = function.PathOf(RequestFields.FunctionName);
            var name = function.Require(RequestFields.FunctionName);
            if (!ToolUse.IsName(name))
            {
                throw ApiException.Invalid(
                    path, $"{path} must be 1 to {ToolUse.MostNameCharacters} letters, digits, underscores, hyphens, dots or colons; found '{Shown(name)}'.");
            }

            if (tools.Exists(other => other.Name == name)) throw ApiException.Invalid(path, $"{path} is '{name}', as another tool is called already.");
            tools.Add(new ToolDefinition(
                name, function.Get(RequestFields.FunctionDescription), ReadParameters(function, schema), function.Get(RequestFields.FunctionStrict) is true,
                function.PathOf(schema)));
        }

        return tools;
    }

    private static JsonFields FunctionOf(JsonFields fields, JsonElement element, string path, ToolDialect dialect)
    {
        switch (dialect)
        {
            case ToolDialect.Messages:
                return fields.Inner(element, path, FieldScope.MessageTool);
            case ToolDialect.Responses:
                return fields.Inner(element, path, FieldScope.ResponseTool);
            default:
                var tool = fields.Inner(element, path, FieldScope.Tool);
                return tool.Inner(tool.Require(RequestFields.ToolFunction), tool.PathOf(RequestFields.ToolFunction), FieldScope.ToolFunction);
        }
    }

    /// <summary>Reads the schema of a function's arguments.</summary>
    private static JsonElement? ReadParameters(JsonFields function, HonouredField<JsonElement?> field)
    {
        if (function.Get(field) is not { } parameters) return null;
        var path = function.PathOf(field);
        var schema = parameters.ValueKind == JsonValueKind.String ? Parse(parameters, path) : parameters.Clone();
        if (schema.ValueKind != JsonValueKind.Object) throw JsonFields.Wrong(path, schema, field.Expected);
        if (schema.TryGetProperty("type", out var type) && !(type.ValueKind == JsonValueKind.String && type.ValueEquals("object")))
            throw JsonFields.Wrong($"{path}.type", type, "\"object\"", path);
        return schema;
    }

    private static JsonElement Parse(JsonElement text, string path)
    {
        try
        {
            return JsonElement.Parse(text.GetString()!);
        }
        catch (JsonException)
        {
            throw JsonFields.Wrong(path, text, RequestFields.FunctionParameters.Expected);
        }
    }

    private static (ToolChoice Choice, string? Only, bool Parallel) ReadChoice(JsonFields fields, ToolDialect dialect)
    {
        var parallel = fields.Get(RequestFields.ParallelToolCalls) ?? true;
        if (fields.Get(RequestFields.ToolChoice) is not { } value) return (ToolChoice.Auto, null, parallel);
        if (value.ValueKind == JsonValueKind.String)
        {
            return (value.GetString() switch
            {
                "none" => ToolChoice.None,
                "auto" => ToolChoice.Auto,
                _ => ToolChoice.Required,
            }, null, parallel);
        }

        if (dialect == ToolDialect.Responses)
        {
            var flat = fields.Inner(value, RequestFields.ToolChoice.Name, FieldScope.ResponseChoice);
            return (ToolChoice.Required, flat.Require(RequestFields.FunctionName), parallel);
        }

        var choice = fields.Inner(value, RequestFields.ToolChoice.Name, FieldScope.ToolChoice);
        var function = choice.Inner(choice.Require(RequestFields.ChosenFunction), choice.PathOf(RequestFields.ChosenFunction), FieldScope.ChosenFunction);
        return (ToolChoice.Required, function.Require(RequestFields.FunctionName), parallel);
    }

    private static (ToolChoice Choice, string? Only, bool Parallel) ReadMessageChoice(JsonFields fields)
    {
        if (fields.Get(MessageFields.ToolChoice) is not { } value) return (ToolChoice.Auto, null, true);
        var choice = fields.Inner(value, MessageFields.ToolChoice.Name, FieldScope.MessageChoice);
        var parallel = choice.Get(MessageFields.IsSingle) is not true;
        return choice.Require(MessageFields.ChoiceType) switch
        {
            "none" => (ToolChoice.None, null, parallel),
            "any" => (ToolChoice.Required, null, parallel),
            "tool" => (ToolChoice.Required, choice.Require(RequestFields.FunctionName), parallel),
            _ => (ToolChoice.Auto, null, parallel),
        };
    }

    private static string Shown(string name) => name.Length <= ToolUse.MostNameCharacters ? name : name[..ToolUse.MostNameCharacters] + "…";
}
