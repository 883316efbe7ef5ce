using System.Buffers;
using System.Text.Json;
using Llama.Gateway.Api.Generation;
using Llama.Model.Chat.Tools;
using Llama.Model.Grammars.Calls;

namespace Llama.Gateway.Api.Tools;

/// <summary>Whether a model calls tools.</summary>
internal enum ToolChoice
{
    /// <summary>It calls none, and is told of none.</summary>
    None,

    /// <summary>It calls some where it wants to.</summary>
    Auto,

    /// <summary>It calls at least one.</summary>
    Required,
}

/// <summary>A function that a model may call.</summary>
/// <param name="Name">Its name; see <see cref="ToolUse.IsName"/>.</param>
/// <param name="Description">What it does; null where nothing is said.</param>
/// <param name="Parameters">
/// The JSON schema of its arguments, an object, with memory of its own (<see cref="JsonElement.Clone"/>); null for a function without any.
/// </param>
/// <param name="IsStrict">Whether its arguments follow the schema in any case.</param>
/// <param name="Path">The field of the request that has the schema.</param>
internal sealed record ToolDefinition(string Name, string? Description, JsonElement? Parameters, bool IsStrict, string Path);

/// <summary>The tools of a request, and how they are used: what all APIs have in common.</summary>
/// <param name="Tools">The tools, at least one; no two have the same name.</param>
/// <param name="Choice">Whether they are called.</param>
/// <param name="Only">The only one that may be called; null for all.</param>
/// <param name="Parallel">Whether an answer may have several calls.</param>
internal sealed record ToolUse(IReadOnlyList<ToolDefinition> Tools, ToolChoice Choice, string? Only, bool Parallel)
{
    /// <summary>Most characters of a name.</summary>
    public const int MostNameCharacters = 128;

    // What says that a schema's properties are not all of them.
    private static readonly string[] MoreProperties =
        ["additionalProperties", "patternProperties", "unevaluatedProperties", "$ref", "allOf", "anyOf", "oneOf", "minProperties"];

    private static readonly JsonElement NoParameters = JsonElement.Parse("""{"properties":{}}""");

    /// <summary>The tools as chat templates have them; null when the model is told of none.</summary>
    public JsonElement? ForTemplate => Choice == ToolChoice.None ? null : Made(WriteForTemplate);

    /// <summary>Those that may be called.</summary>
    public IReadOnlyList<ToolDefinition> Callable => Only is null ? Tools : [.. Tools.Where(tool => tool.Name == Only)];

    /// <summary>How calls are found in an answer; null where there are none.</summary>
    /// <param name="form">How the model writes them.</param>
    public ToolCallFormat? FormatOf(ToolForm form) => Choice == ToolChoice.None ? null
        : new ToolCallFormat(form, Callable.Select(tool => tool.Name).ToHashSet(StringComparer.Ordinal), IsSingle: !Parallel);

    /// <summary>Whether a name can stand in every form of calls: letters, digits, underscores, hyphens, dots and colons.</summary>
    /// <param name="name">The name.</param>
    public static bool IsName(string name) => name.Length is > 0 and <= MostNameCharacters
        && name.All(character => char.IsAsciiLetterOrDigit(character) || character is '_' or '-' or '.' or ':');

    /// <summary>
    /// The grammar that the answer follows: when a call is required, when a function is strict, and beside another grammar, which answers
    /// without a call follow.
    /// </summary>
    /// <param name="form">How the model writes calls.</param>
    /// <param name="reasoning">How its reasoning is told apart; null for none.</param>
    /// <param name="instead">What answers without a call follow; null for free text.</param>
    public RequestedGrammar? GrammarOf(ToolForm form, ChoiceReasoning? reasoning, RequestedGrammar? instead)
    {
        if (Choice == ToolChoice.None) return instead;
        var callable = Callable;
        var required = Choice == ToolChoice.Required;
        if (!required && instead is null && !callable.Any(tool => tool.IsStrict)) return null;
        var grammar = new CallGrammar
        {
            Calls = [.. callable.Select(tool => new CallRule(tool.Name, form.Before(tool.Name), Made(json => WriteSchema(json, tool, isClosed: true)), tool.IsStrict, form.After))],
            Between = Parallel && form.TakesSeveral ? form.Between : null,
            AllowsText = !required && instead is null,
            Instead = required ? null : instead?.Source,
            Openings = form.Openings,
            StartsBare = form.StartsBare,
            Reasoning = reasoning is null ? null : new ReasoningRule(reasoning.Marks.Begin, reasoning.Marks.End, reasoning.IsOpen),
            Marks = [.. form.Marks, .. reasoning?.Marks.Tokens ?? []],
        };
        return new RequestedGrammar(grammar.ToSource(), callable is [var one] ? one.Path : "tools");
    }

    private static bool IsWhole(JsonElement schema) =>
        schema.TryGetProperty("properties", out var properties) && properties.ValueKind == JsonValueKind.Object
        && !MoreProperties.Any(keyword => schema.TryGetProperty(keyword, out _))
        && (!schema.TryGetProperty("required", out var required) || (required.ValueKind == JsonValueKind.Array
            && required.EnumerateArray().All(name => name.ValueKind == JsonValueKind.String && properties.TryGetProperty(name.GetString()!, out _))));

    private void WriteForTemplate(Utf8JsonWriter json)
    {
        json.WriteStartArray();
        foreach (var tool in Tools)
        {
            json.WriteStartObject();
            json.WriteString("type", "function");
            json.WriteStartObject("function");
            json.WriteString("name", tool.Name);

            // Templates add it to texts.
            json.WriteString("description", tool.Description ?? "");
            json.WritePropertyName("parameters");
            WriteSchema(json, tool, isClosed: false);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    // Templates look for properties. The arguments that a grammar allows have the properties that the schema names and no others, unless it
    // says more of others: functions are called with them.
    private static void WriteSchema(Utf8JsonWriter json, ToolDefinition tool, bool isClosed)
    {
        var schema = tool.Parameters ?? NoParameters;
        json.WriteStartObject();
        if (!schema.TryGetProperty("type", out _)) json.WriteString("type", "object");
        foreach (var property in schema.EnumerateObject()) property.WriteTo(json);
        if (isClosed && IsWhole(schema))
        {
            json.WriteBoolean("additionalProperties", false);
        }
        else if (!isClosed && !schema.TryGetProperty("properties", out _))
        {
            json.WriteStartObject("properties");
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static JsonElement Made(Action<Utf8JsonWriter> write)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes)) write(json);
        return JsonElement.Parse(bytes.WrittenSpan);
    }
}
