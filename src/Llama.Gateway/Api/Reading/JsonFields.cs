using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Llama.Gateway.Api.Errors;

namespace Llama.Gateway.Api.Reading;

/// <summary>The fields of a JSON object, read by name with their types and ranges checked. A field that is null counts as absent.</summary>
/// <param name="element">The object.</param>
/// <param name="path">Where it lies in the request: empty for the request itself, else such as <c>messages[0]</c>.</param>
internal readonly struct JsonFields(JsonElement element, string path = "")
{
    private const int ShownCharacters = 40;
    private const double ExactIntegers = 1L << 53;

    /// <summary>The object as it was sent.</summary>
    public ReadOnlySpan<byte> Bytes => JsonMarshal.GetRawUtf8Value(element);

    /// <summary>A field of any type.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="value">Its value.</param>
    /// <returns>False when it is absent.</returns>
    public bool TryGet(string name, out JsonElement value) =>
        element.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>Where a field lies in the request.</summary>
    /// <param name="name">Its name.</param>
    public string PathOf(string name) => path.Length == 0 ? name : $"{path}.{name}";

    /// <summary>A text, or null when absent.</summary>
    /// <param name="name">The field.</param>
    public string? Text(string name)
    {
        if (!TryGet(name, out var value)) return null;
        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(PathOf(name), value, "a string");
    }

    /// <summary>A truth value.</summary>
    /// <param name="name">The field.</param>
    /// <param name="missing">What holds when it is absent.</param>
    public bool Flag(string name, bool missing = false)
    {
        if (!TryGet(name, out var value)) return missing;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : throw Wrong(PathOf(name), value, "true or false");
    }

    /// <summary>A whole number, or null when absent.</summary>
    /// <param name="name">The field.</param>
    /// <param name="least">The least allowed.</param>
    /// <param name="most">The most allowed.</param>
    public long? Integer(string name, long least = long.MinValue, long most = long.MaxValue)
    {
        if (!TryGet(name, out var value)) return null;
        if (TryReadInteger(value, out var number) && number >= least && number <= most) return number;
        throw Wrong(PathOf(name), value, string.Create(CultureInfo.InvariantCulture, $"an integer from {least} to {most}"));
    }

    /// <summary>A number, or null when absent.</summary>
    /// <param name="name">The field.</param>
    /// <param name="least">The least allowed.</param>
    /// <param name="most">The most allowed.</param>
    public double? Number(string name, double least, double most)
    {
        if (!TryGet(name, out var value)) return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number >= least && number <= most)
            return number;
        throw Wrong(PathOf(name), value, string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most}"));
    }

    /// <summary>An object, or null when absent.</summary>
    /// <param name="name">The field.</param>
    public JsonFields? Object(string name) =>
        TryGet(name, out var value) ? Of(value, PathOf(name)) : null;

    /// <summary>The fields of a value that must be an object.</summary>
    /// <param name="value">The value.</param>
    /// <param name="path">Where it lies in the request.</param>
    public static JsonFields Of(JsonElement value, string path) =>
        value.ValueKind == JsonValueKind.Object ? new JsonFields(value, path) : throw Wrong(path, value, "an object");

    /// <summary>Reads a whole number, also one that is spelled like 16.0.</summary>
    /// <param name="value">The value.</param>
    /// <param name="number">What it says.</param>
    public static bool TryReadInteger(JsonElement value, out long number)
    {
        number = 0;
        if (value.ValueKind != JsonValueKind.Number) return false;
        if (value.TryGetInt64(out number)) return true;
        if (!value.TryGetDouble(out var real) || Math.Abs(real) > ExactIntegers || real != Math.Truncate(real)) return false;
        number = (long)real;
        return true;
    }

    /// <summary>The error for a field of the wrong type or out of range.</summary>
    /// <param name="path">Where it lies in the request.</param>
    /// <param name="found">What was found.</param>
    /// <param name="expected">What was expected.</param>
    public static ApiException Wrong(string path, JsonElement found, string expected) => Wrong(path, found, expected, path);

    /// <summary>The error for a value that is no field.</summary>
    /// <param name="subject">What is wrong.</param>
    /// <param name="found">What was found.</param>
    /// <param name="expected">What was expected.</param>
    /// <param name="param">The field at fault, if one is.</param>
    public static ApiException Wrong(string subject, JsonElement found, string expected, string? param) =>
        ApiException.Invalid(param, $"{subject} must be {expected}; found {Describe(found)}.");

    private static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => value.GetArrayLength() == 0 ? "an empty list" : "a list",
        JsonValueKind.String => $"the string {Shorten(value)}",
        JsonValueKind.Number => $"the number {Shorten(value)}",
        _ => Shorten(value),
    };

    // The raw text, so that it shows as the client wrote it; a long one is cut between characters.
    private static string Shorten(JsonElement value)
    {
        var raw = JsonMarshal.GetRawUtf8Value(value);
        if (raw.Length <= ShownCharacters) return Encoding.UTF8.GetString(raw);
        var end = ShownCharacters;
        while ((raw[end] & 0xC0) == 0x80) end--;
        return Encoding.UTF8.GetString(raw[..end]) + "…";
    }
}
