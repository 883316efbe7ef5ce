using System.Globalization;
using System.Text.Json;
using Llama.Gateway.Api.Reading;

namespace Llama.Gateway.Api.Fields;

/// <summary>Makes fields of the usual kinds.</summary>
internal static class FieldKinds
{
    /// <summary>A field that is true or false.</summary>
    public static HonouredField<bool?> Flag(string name, FieldScope scopes, string does) => new(name, scopes, "true or false", TryReadFlag, does);

    /// <summary>A string, perhaps of limited length.</summary>
    public static HonouredField<string?> Text(string name, FieldScope scopes, string does, int mostCharacters = int.MaxValue) => new(
        name, scopes, mostCharacters == int.MaxValue ? "a string" : $"a string of at most {mostCharacters} characters",
        (JsonElement value, out string? result) =>
            (result = value.ValueKind == JsonValueKind.String ? value.GetString() : null)?.Length <= mostCharacters,
        does);

    /// <summary>One of some strings.</summary>
    public static HonouredField<string?> OneOf(string name, FieldScope scopes, string[] values, string does) => new(
        name, scopes, Listed(values),
        (JsonElement value, out string? result) =>
            (result = value.ValueKind == JsonValueKind.String ? value.GetString() : null) is not null && values.Contains(result),
        does);

    /// <summary>A whole number within bounds.</summary>
    public static HonouredField<long?> Integer(string name, FieldScope scopes, long least, long most, string does) => new(
        name, scopes, string.Create(CultureInfo.InvariantCulture, $"an integer from {least} to {most}"),
        (JsonElement value, out long? result) =>
        {
            result = JsonFields.TryReadInteger(value, out var number) ? number : null;
            return result >= least && result <= most;
        },
        does);

    /// <summary>A number within bounds.</summary>
    public static HonouredField<double?> Number(string name, FieldScope scopes, double least, double most, string expected, string does) => new(
        name, scopes, expected,
        (JsonElement value, out double? result) =>
        {
            result = value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) ? number : null;
            return result >= least && result <= most;
        },
        does);

    /// <summary>An object, into which its reader looks.</summary>
    public static HonouredField<JsonElement?> Object(string name, FieldScope scopes, string does) => new(
        name, scopes, "an object", (JsonElement value, out JsonElement? result) => (result = value) is { ValueKind: JsonValueKind.Object }, does);

    /// <summary>A list, into which its reader looks.</summary>
    public static HonouredField<JsonElement?> List(string name, FieldScope scopes, string expected, string does) => new(
        name, scopes, expected, (JsonElement value, out JsonElement? result) => (result = value) is { ValueKind: JsonValueKind.Array }, does);

    /// <summary>A value of several types, into which its reader looks.</summary>
    public static HonouredField<JsonElement?> Any(string name, FieldScope scopes, string expected, string does) => new(
        name, scopes, expected, (JsonElement value, out JsonElement? result) => (result = value) is not null, does);

    /// <summary>A JSON schema.</summary>
    public static HonouredField<JsonElement?> Schema(string name, FieldScope scopes, string does) => new(
        name, scopes, "a JSON schema", TryReadSchema, does);

    /// <summary>Reads what may be a JSON schema.</summary>
    public static bool TryReadSchema(JsonElement value, out JsonElement? result) =>
        (result = value) is { ValueKind: JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False };

    /// <summary>A field of one type that is taken without effect.</summary>
    public static HarmlessField Harmless(string name, FieldScope scopes, JsonValueKind kind, string why) => new(name, scopes, [kind], why);

    /// <summary>A field that is not supported, but for values that ask for nothing.</summary>
    public static RefusedField Refused(string name, FieldScope scopes, params string[] neutral) => new(name, scopes, neutral);

    /// <summary>A field that is not supported and that another stands for.</summary>
    public static RefusedField Instead(string name, FieldScope scopes, string instead, params string[] neutral) => new(name, scopes, neutral, instead);

    private static string Listed(string[] values)
    {
        string[] quoted = [.. values.Select(value => $"\"{value}\"")];
        return quoted is [var single] ? single : $"{string.Join(", ", quoted[..^1])} or {quoted[^1]}";
    }

    private static bool TryReadFlag(JsonElement value, out bool? result)
    {
        result = value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => null,
        };
        return result is not null;
    }
}
