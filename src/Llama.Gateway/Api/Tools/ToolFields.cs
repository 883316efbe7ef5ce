using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Reading;
using Llama.Model.Chat.Tools;

namespace Llama.Gateway.Api.Tools;

/// <summary>Reads OpenAI's <c>tools</c>, <c>tool_choice</c> and <c>parallel_tool_calls</c>, and the calls of messages.</summary>
internal static class ToolFields
{
    private const int MostTools = 128;

    /// <summary>Reads the tools of a request.</summary>
    /// <param name="fields">The request.</param>
    /// <returns>Null when there are none.</returns>
    /// <exception cref="ApiException">A tool is none, or the choice names none of them.</exception>
    public static ToolUse? Read(JsonFields fields)
    {
        var tools = fields.Get(RequestFields.Tools) is { } list ? ReadTools(fields, list) : [];
        var (choice, only) = ReadChoice(fields);
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

        return new ToolUse(tools, choice, only, fields.Get(RequestFields.ParallelToolCalls) ?? true);
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

    private static List<ToolDefinition> ReadTools(JsonFields fields, JsonElement list)
    {
        var field = RequestFields.Tools;
        if (list.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(field.Name, list, field.Expected);
        if (list.GetArrayLength() > MostTools)
            throw ApiException.Invalid(field.Name, $"{field.Name} may have at most {MostTools} tools; found {list.GetArrayLength()}.");
        var tools = new List<ToolDefinition>();
        foreach (var element in list.EnumerateArray())
        {
            var tool = fields.Inner(element, $"{field.Name}[{tools.Count}]", FieldScope.Tool);
            var function = tool.Inner(tool.Require(RequestFields.ToolFunction), tool.PathOf(RequestFields.ToolFunction), FieldScope.ToolFunction);
            var path = function.PathOf(RequestFields.FunctionName);
            var name = function.Require(RequestFields.FunctionName);
            if (!ToolUse.IsName(name))
            {
                throw ApiException.Invalid(
                    path, $"{path} must be 1 to {ToolUse.MostNameCharacters} letters, digits, underscores, hyphens, dots or colons; found '{Shown(name)}'.");
            }

            if (tools.Exists(other => other.Name == name)) throw ApiException.Invalid(path, $"{path} is '{name}', as another tool is called already.");
            tools.Add(new ToolDefinition(
                name, function.Get(RequestFields.FunctionDescription), ReadParameters(function), function.Get(RequestFields.FunctionStrict) is true,
                function.PathOf(RequestFields.FunctionParameters)));
        }

        return tools;
    }

    /// <summary>Reads the schema of a function's arguments.</summary>
    private static JsonElement? ReadParameters(JsonFields function)
    {
        if (function.Get(RequestFields.FunctionParameters) is not { } parameters) return null;
        var path = function.PathOf(RequestFields.FunctionParameters);
        var schema = parameters.ValueKind == JsonValueKind.String ? Parse(parameters, path) : parameters.Clone();
        if (schema.ValueKind != JsonValueKind.Object) throw JsonFields.Wrong(path, schema, RequestFields.FunctionParameters.Expected);
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

    private static (ToolChoice Choice, string? Only) ReadChoice(JsonFields fields)
    {
        if (fields.Get(RequestFields.ToolChoice) is not { } value) return (ToolChoice.Auto, null);
        if (value.ValueKind == JsonValueKind.String)
        {
            return (value.GetString() switch
            {
                "none" => ToolChoice.None,
                "auto" => ToolChoice.Auto,
                _ => ToolChoice.Required,
            }, null);
        }

        var choice = fields.Inner(value, RequestFields.ToolChoice.Name, FieldScope.ToolChoice);
        var function = choice.Inner(choice.Require(RequestFields.ChosenFunction), choice.PathOf(RequestFields.ChosenFunction), FieldScope.ChosenFunction);
        return (ToolChoice.Required, function.Require(RequestFields.FunctionName));
    }

    private static string Shown(string name) => name.Length <= ToolUse.MostNameCharacters ? name : name[..ToolUse.MostNameCharacters] + "…";
}
