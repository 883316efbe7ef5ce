using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Reading;
using Llama.Model.Grammars;

namespace Llama.Gateway.Api.Generation;

/// <summary>A grammar that a request asks for.</summary>
/// <param name="Source">The grammar.</param>
/// <param name="Path">The field that it stands in.</param>
internal sealed record RequestedGrammar(GrammarSource Source, string Path);

/// <summary>Reads the grammar of a request: OpenAI's <c>response_format</c>, vLLM's <c>structured_outputs</c>, llama.cpp's fields.</summary>
internal static class GrammarFields
{
    /// <summary>Reads it.</summary>
    /// <param name="fields">The request.</param>
    /// <returns>Null when the answer is free text.</returns>
    /// <exception cref="ApiException">There are several, or one is none.</exception>
    public static RequestedGrammar? Read(JsonFields fields)
    {
        List<RequestedGrammar> found = [.. ReadAll(fields)];
        if (found.Count > 1)
        {
            throw ApiException.Invalid(
                found[1].Path, $"An answer can follow one grammar; found {string.Join(" and ", found.Select(one => one.Path))}.");
        }

        return found.Count == 1 ? found[0] : null;
    }

    private static IEnumerable<RequestedGrammar> ReadAll(JsonFields fields)
    {
        if (fields.Get(RequestFields.ResponseFormat) is { } format && ReadFormat(fields, format) is { } formatted) yield return formatted;
        if (fields.Get(RequestFields.Gbnf) is { Length: > 0 } gbnf) yield return new(new(GrammarKind.Gbnf, gbnf), RequestFields.Gbnf.Name);
        if (fields.Get(RequestFields.AnswerSchema) is { } schema) yield return new(new(GrammarKind.JsonSchema, schema.GetRawText()), RequestFields.AnswerSchema.Name);
        if (fields.Get(RequestFields.StructuredOutputs) is not { } outputs) yield break;
        foreach (var one in ReadOutputs(fields.Inner(outputs, RequestFields.StructuredOutputs.Name, FieldScope.StructuredOutputs))) yield return one;
    }

    private static RequestedGrammar? ReadFormat(JsonFields fields, JsonElement value)
    {
        var format = fields.Inner(value, RequestFields.ResponseFormat.Name, FieldScope.ResponseFormat);
        var path = format.PathOf(RequestFields.FormatSchema);
        var inner = format.Get(RequestFields.FormatSchema);
        switch (format.Require(RequestFields.FormatType))
        {
            case "text":
                return null;
            case "json_object":
                return new(new(GrammarKind.JsonObject, ""), RequestFields.ResponseFormat.Name);
            default:
                var described = fields.Inner(
                    inner ?? throw ApiException.Invalid(path, $"{path} is missing; expected {RequestFields.FormatSchema.Expected}."), path, FieldScope.FormatSchema);
                return new(
                    new(GrammarKind.JsonSchema, described.Require(RequestFields.Schema).GetRawText()), described.PathOf(RequestFields.Schema));
        }
    }

    private static IEnumerable<RequestedGrammar> ReadOutputs(JsonFields outputs)
    {
        if (outputs.Get(RequestFields.OutputSchema) is { } json)
        {
            var schema = json.ValueKind == JsonValueKind.String ? json.GetString()! : json.GetRawText();
            yield return new(new(GrammarKind.JsonSchema, schema), outputs.PathOf(RequestFields.OutputSchema));
        }

        if (outputs.Get(RequestFields.OutputRegex) is { } regex) yield return new(new(GrammarKind.Regex, regex), outputs.PathOf(RequestFields.OutputRegex));
        if (outputs.Get(RequestFields.OutputChoice) is { } choice)
            yield return new(new(GrammarKind.Choice, choice.GetRawText()), outputs.PathOf(RequestFields.OutputChoice));
        if (outputs.Get(RequestFields.OutputGrammar) is { } gbnf) yield return new(new(GrammarKind.Gbnf, gbnf), outputs.PathOf(RequestFields.OutputGrammar));
        if (outputs.Get(RequestFields.OutputObject) is true) yield return new(new(GrammarKind.JsonObject, ""), outputs.PathOf(RequestFields.OutputObject));
    }
}
