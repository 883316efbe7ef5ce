using System.Text;
using System.Text.Json;
using Llama.Model.Grammars.Expressions;
using Llama.Model.Grammars.Text;

namespace Llama.Model.Grammars.Schemas;

/// <summary>Whether values that a schema names itself (<c>enum</c>, <c>const</c>, names of properties) are allowed by it.</summary>
/// <param name="document">The schema.</param>
/// <param name="table">Makes the expressions of patterns.</param>
/// <param name="json">Characters as JSON.</param>
internal sealed class SchemaCheck(SchemaDocument document, ExprTable table, JsonText json)
{
    private readonly Dictionary<string, Expr> patterns = new(StringComparer.Ordinal);

    /// <summary>Whether a schema allows a value.</summary>
    public bool Allows(Schema schema, JsonElement value) => Allows(schema, value, []);

    /// <summary>Whether a pattern matches somewhere in a string.</summary>
    /// <exception cref="GrammarException">It is no pattern that is supported.</exception>
    public bool IsMatch(Schema schema, string keyword, string pattern, string text) =>
        table.Matches(Pattern(schema, keyword, pattern), Encoding.UTF8.GetBytes(JsonText.Write(text)));

    /// <summary>The strings, written in one way only, in which a pattern matches somewhere.</summary>
    /// <exception cref="GrammarException">It is no pattern that is supported.</exception>
    public Expr Pattern(Schema schema, string keyword, string pattern)
    {
        if (patterns.TryGetValue(pattern, out Expr? known)) return known;
        try
        {
            return patterns[pattern] = RegexParser.Within(table, json, pattern);
        }
        catch (GrammarException exception)
        {
            throw schema.Wrong(keyword, $"is not supported. {exception.Message.TrimEnd('.')}");
        }
    }

    /// <summary>The strings, written in one way only, that have a format.</summary>
    /// <exception cref="GrammarException">The format is not served.</exception>
    public Expr Format(Schema schema)
    {
        string format = schema["format"]!.Value.GetString()!;
        return Pattern(
            schema, "format", Formats.PatternOf(format) ?? throw schema.Wrong("format", $"is '{format}', which is not supported; expected one of {Formats.Names}"));
    }

    private bool Allows(Schema schema, JsonElement value, HashSet<Schema> within)
    {
        if (schema.Element.ValueKind is JsonValueKind.True or JsonValueKind.False) return !schema.IsFalse;
        if (!within.Add(schema)) return true;
        ExprTable.ThrowIfTooDeep();
        bool allowed = (JsonTypesOf.One(schema) & JsonTypesOf.Value(value)) != 0
            && (schema["const"] is not { } constant || JsonElement.DeepEquals(constant, value))
            && (schema["enum"] is not { } values || values.EnumerateArray().Any(one => JsonElement.DeepEquals(one, value)))
            && (schema["$ref"] is null || Allows(document.Resolve(schema), value, within))
            && document.Children(schema, "allOf").All(part => Allows(part, value, within))
            && (schema["anyOf"] is null || document.Children(schema, "anyOf").Any(part => Allows(part, value, within)))
            && (schema["oneOf"] is null || document.Children(schema, "oneOf").Count(part => Allows(part, value, within)) == 1)
            && value.ValueKind switch
            {
                JsonValueKind.Number => AllowsNumber(schema, value),
                JsonValueKind.String => AllowsText(schema, value.GetString()!),
                JsonValueKind.Array => AllowsArray(schema, value),
                JsonValueKind.Object => AllowsObject(schema, value),
                _ => true,
            };
        within.Remove(schema);
        return allowed;
    }

    private static bool AllowsNumber(Schema schema, JsonElement value)
    {
        if (!ExactNumber.TryRead(value, out ExactNumber number)) return true;
        return Compare("minimum") is not < 0 && Compare("maximum") is not > 0 && Compare("exclusiveMinimum") is not <= 0
            && Compare("exclusiveMaximum") is not >= 0
            && (schema["multipleOf"] is not { } divisor || !ExactNumber.TryRead(divisor, out ExactNumber step) || number.IsMultipleOf(step));

        int? Compare(string keyword) =>
            schema[keyword] is { } bound && ExactNumber.TryRead(bound, out ExactNumber limit) ? number.CompareTo(limit) : null;
    }

    private bool AllowsText(Schema schema, string text) => IsWithin(schema, "minLength", "maxLength", text.EnumerateRunes().Count())
        && (schema["pattern"] is not { } pattern || IsMatch(schema, "pattern", pattern.GetString()!, text))
        && (schema["format"] is null || table.Matches(Format(schema), Encoding.UTF8.GetBytes(JsonText.Write(text))));

    private bool AllowsArray(Schema schema, JsonElement value)
    {
        if (!IsWithin(schema, "minItems", "maxItems", value.GetArrayLength())) return false;
        List<Schema> prefix = [.. document.Children(schema, "prefixItems")];
        Schema? rest = schema["items"] is null ? null : document.Child(schema, "items");
        return value.EnumerateArray().Select((item, i) => (Item: item, Schema: i < prefix.Count ? prefix[i] : rest))
            .All(pair => pair.Schema is null || Allows(pair.Schema, pair.Item, []));
    }

    private bool AllowsObject(Schema schema, JsonElement value)
    {
        if (!IsWithin(schema, "minProperties", "maxProperties", value.EnumerateObject().Count())) return false;
        if (schema["required"] is { } required && !required.EnumerateArray().All(name => value.TryGetProperty(name.GetString()!, out _))) return false;
        return value.EnumerateObject().All(property => PropertySchemas(schema, property.Name).All(part => Allows(part, property.Value, [])))
            && (schema["propertyNames"] is null
                || value.EnumerateObject().All(property => AllowsName(document.Child(schema, "propertyNames"), property.Name)));
    }

    /// <summary>Whether a schema allows a name.</summary>
    public bool AllowsName(Schema schema, string name)
    {
        using JsonDocument text = JsonDocument.Parse(JsonText.Write(name));
        return Allows(schema, text.RootElement, []);
    }

    /// <summary>The schemas that a schema has for a property.</summary>
    public IEnumerable<Schema> PropertySchemas(Schema schema, string name)
    {
        bool found = false;
        if (schema["properties"] is { } properties && properties.TryGetProperty(name, out _))
        {
            found = true;
            yield return document.Child(schema, "properties", name);
        }

        foreach (JsonProperty pattern in schema["patternProperties"]?.EnumerateObject() ?? default)
        {
            if (!IsMatch(schema, "patternProperties", pattern.Name, name)) continue;
            found = true;
            yield return document.Child(schema, "patternProperties", pattern.Name);
        }

        if (!found && schema["additionalProperties"] is not null) yield return document.Child(schema, "additionalProperties");
    }

    private static bool IsWithin(Schema schema, string least, string most, int count) =>
        (schema[least] is not { } low || count >= low.GetDouble()) && (schema[most] is not { } high || count <= high.GetDouble());
}
