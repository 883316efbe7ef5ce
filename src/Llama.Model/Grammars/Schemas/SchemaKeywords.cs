using System.Collections.Frozen;
using System.Text.Json;

namespace Llama.Model.Grammars.Schemas;

/// <summary>The keywords of JSON Schema, draft 2020-12, by what is made of them. Any other is refused by its name.</summary>
internal static class SchemaKeywords
{
    /// <summary>Keywords that have a schema.</summary>
    public static readonly string[] WithSchema = ["additionalProperties", "items", "propertyNames"];

    /// <summary>Keywords that have a list of schemas.</summary>
    public static readonly string[] WithSchemas = ["allOf", "anyOf", "oneOf", "prefixItems"];

    /// <summary>Keywords that have schemas by name.</summary>
    public static readonly string[] WithNamedSchemas = ["$defs", "definitions", "patternProperties", "properties"];

    private static readonly FrozenDictionary<string, Func<JsonElement, bool>> Served = new Dictionary<string, Func<JsonElement, bool>>
    {
        ["$anchor"] = IsText, ["$defs"] = IsNamedSchemas, ["$id"] = IsText, ["$ref"] = IsText, ["additionalProperties"] = IsSchema,
        ["allOf"] = IsSchemas, ["anyOf"] = IsSchemas, ["const"] = _ => true, ["definitions"] = IsNamedSchemas,
        ["enum"] = value => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0, ["exclusiveMaximum"] = IsNumber,
        ["exclusiveMinimum"] = IsNumber, ["format"] = IsText, ["items"] = IsSchema, ["maxItems"] = IsCount, ["maxLength"] = IsCount,
        ["maxProperties"] = IsCount, ["maximum"] = IsNumber, ["minItems"] = IsCount, ["minLength"] = IsCount, ["minProperties"] = IsCount,
        ["minimum"] = IsNumber, ["multipleOf"] = value => IsNumber(value) && value.GetDouble() > 0, ["oneOf"] = IsSchemas, ["pattern"] = IsText,
        ["patternProperties"] = IsNamedSchemas, ["prefixItems"] = IsSchemas, ["properties"] = IsNamedSchemas, ["propertyNames"] = IsSchema,
        ["required"] = IsTexts, ["type"] = value => IsText(value) || IsTexts(value),
    }.ToFrozenDictionary();

    /// <summary>Keywords that say nothing about the value.</summary>
    private static readonly FrozenSet<string> Annotations = FrozenSet.ToFrozenSet(
    [
        "$comment", "$schema", "contentEncoding", "contentMediaType", "contentSchema", "default", "deprecated", "description", "discriminator",
        "example", "examples", "propertyOrdering", "readOnly", "title", "writeOnly",
    ]);

    /// <summary>Refuses a schema that has a keyword that is not served, or one with a value of the wrong type.</summary>
    /// <exception cref="GrammarException">Names the keyword.</exception>
    public static void Check(Schema schema)
    {
        foreach (JsonProperty keyword in schema.Element.EnumerateObject())
        {
            string name = keyword.Name;
            if (Served.TryGetValue(name, out Func<JsonElement, bool>? isValid))
            {
                if (!isValid(keyword.Value)) throw schema.Wrong(name, "has a value of the wrong type or out of range");
            }
            else if (name == "$schema" && !IsKnownDialect(keyword.Value))
            {
                throw schema.Wrong(name, "names another dialect than those of json-schema.org");
            }
            else if (!Annotations.Contains(name) && !name.StartsWith("x-", StringComparison.Ordinal)
                && !(name == "uniqueItems" && keyword.Value.ValueKind == JsonValueKind.False))
            {
                throw schema.Wrong(name, "is not supported");
            }
        }
    }

    private static bool IsKnownDialect(JsonElement value) => IsText(value) && value.GetString() is { } text
        && (text.StartsWith("http://json-schema.org/", StringComparison.Ordinal) || text.StartsWith("https://json-schema.org/", StringComparison.Ordinal));

    private static bool IsText(JsonElement value) => value.ValueKind == JsonValueKind.String;

    private static bool IsTexts(JsonElement value) => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(IsText);

    private static bool IsNumber(JsonElement value) => value.ValueKind == JsonValueKind.Number;

    private static bool IsCount(JsonElement value) =>
        IsNumber(value) && value.GetDouble() is >= 0 and <= int.MaxValue and var count && count == Math.Truncate(count);

    private static bool IsSchema(JsonElement value) => value.ValueKind is JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False;

    private static bool IsSchemas(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0 && value.EnumerateArray().All(IsSchema);

    private static bool IsNamedSchemas(JsonElement value) =>
        value.ValueKind == JsonValueKind.Object && value.EnumerateObject().All(property => IsSchema(property.Value));
}
