using System.Text.Json;

namespace Llama.Model.Grammars.Schemas;

/// <summary>The types of JSON values.</summary>
[Flags]
internal enum JsonTypes
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>null.</summary>
    Null = 1,

    /// <summary>true and false.</summary>
    Boolean = 2,

    /// <summary>Integers, however they are written.</summary>
    Integer = 4,

    /// <summary>Numbers that are no integers.</summary>
    Fraction = 8,

    /// <summary>Strings.</summary>
    Text = 16,

    /// <summary>Arrays.</summary>
    Array = 32,

    /// <summary>Objects.</summary>
    Object = 64,

    /// <summary>Integers and fractions.</summary>
    Number = Integer | Fraction,

    /// <summary>All.</summary>
    All = 127,
}

/// <summary>Reads types.</summary>
internal static class JsonTypesOf
{
    /// <summary>The types that schemas allow together.</summary>
    public static JsonTypes All(IEnumerable<Schema> schemas) => schemas.Aggregate(JsonTypes.All, (types, schema) => types & One(schema));

    /// <summary>The types that the keyword <c>type</c> of a schema names; all without it.</summary>
    /// <exception cref="GrammarException">It names none.</exception>
    public static JsonTypes One(Schema schema)
    {
        if (schema["type"] is not { } type) return JsonTypes.All;
        return type.ValueKind == JsonValueKind.String
            ? Named(schema, type)
            : type.EnumerateArray().Aggregate(JsonTypes.None, (types, name) => types | Named(schema, name));
    }

    /// <summary>The type of a value.</summary>
    public static JsonTypes Value(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => JsonTypes.Null,
        JsonValueKind.True or JsonValueKind.False => JsonTypes.Boolean,
        JsonValueKind.String => JsonTypes.Text,
        JsonValueKind.Array => JsonTypes.Array,
        JsonValueKind.Object => JsonTypes.Object,
        _ => ExactNumber.TryRead(value, out ExactNumber number) && !number.IsInteger ? JsonTypes.Fraction : JsonTypes.Integer,
    };

    private static JsonTypes Named(Schema schema, JsonElement name) => name.GetString() switch
    {
        "null" => JsonTypes.Null,
        "boolean" => JsonTypes.Boolean,
        "integer" => JsonTypes.Integer,
        "number" => JsonTypes.Number,
        "string" => JsonTypes.Text,
        "array" => JsonTypes.Array,
        "object" => JsonTypes.Object,
        _ => throw schema.Wrong("type", $"is '{name.GetString()}'; expected null, boolean, integer, number, string, array or object"),
    };
}
