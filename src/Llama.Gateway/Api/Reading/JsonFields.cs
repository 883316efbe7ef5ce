using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;

namespace Llama.Gateway.Api.Reading;

/// <summary>
/// The fields of a JSON object, which were held against the table of fields (<see cref="RequestFields"/>) and are read by its keys. A field
/// that is null counts as absent.
/// </summary>
internal readonly struct JsonFields
{
    private const int ShownCharacters = 40;
    private const double ExactIntegers = 1L << 53;

    private readonly JsonElement element;
    private readonly string path;
    private readonly FieldScope scope;
    private readonly bool ignoreUnknown;

    private JsonFields(JsonElement element, string path, FieldScope scope, bool ignoreUnknown)
    {
        this.element = element;
        this.path = path;
        this.scope = scope;
        this.ignoreUnknown = ignoreUnknown;
    }

    /// <summary>The fields of a request.</summary>
    /// <param name="request">The request.</param>
    /// <param name="scope">Which request it is.</param>
    /// <param name="ignoreUnknown">Whether fields that the table does not have pass.</param>
    /// <exception cref="ApiException">A field is unknown, given twice, not supported, or has a value that it does not take.</exception>
    public static JsonFields Of(JsonElement request, FieldScope scope, bool ignoreUnknown) => Of(request, "", scope, ignoreUnknown);

    /// <summary>The object as it was sent.</summary>
    public ReadOnlySpan<byte> Bytes => JsonMarshal.GetRawUtf8Value(element);

    /// <summary>What a field says, or null when it is absent, as every field is that the table does not have for such an object.</summary>
    /// <typeparam name="T">What it is read as.</typeparam>
    /// <param name="field">The field.</param>
    public T? Get<T>(HonouredField<T> field) =>
        field.Scopes.HasFlag(scope) && element.TryGetProperty(field.Name, out var value) && value.ValueKind != JsonValueKind.Null
            ? field.Read(value, PathOf(field))
            : default;

    /// <summary>What a field says that must be there.</summary>
    /// <typeparam name="T">What it is read as.</typeparam>
    /// <param name="field">The field.</param>
    /// <exception cref="ApiException">It is absent.</exception>
    public T Require<T>(HonouredField<T?> field)
        where T : class => Get(field) ?? throw Missing(field.Name, field.Expected);

    /// <inheritdoc cref="Require{T}(HonouredField{T})"/>
    public T Require<T>(HonouredField<T?> field)
        where T : struct => Get(field) ?? throw Missing(field.Name, field.Expected);

    /// <summary>The fields of an object within this one.</summary>
    /// <param name="value">The object.</param>
    /// <param name="within">Where it lies in the request.</param>
    /// <param name="scope">What object it is.</param>
    /// <exception cref="ApiException">It is no object, or one of its fields is refused.</exception>
    public JsonFields Inner(JsonElement value, string within, FieldScope scope) => Of(value, within, scope, ignoreUnknown);

    /// <summary>A text that is written as one, or as a list of parts, which line feeds join.</summary>
    /// <param name="field">The field.</param>
    /// <param name="value">Its value.</param>
    /// <param name="scope">What object a part is.</param>
    /// <param name="readPart">Reads a part.</param>
    /// <exception cref="ApiException">It is neither, or a part is wrong.</exception>
    public string ReadText(HonouredField<JsonElement?> field, JsonElement value, FieldScope scope, Func<JsonFields, string> readPart) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Array => ReadParts(field, value, scope, readPart),
        _ => throw Wrong(PathOf(field), value, field.Expected),
    };

    /// <summary>The texts of a list of parts, which line feeds join.</summary>
    /// <param name="field">The field.</param>
    /// <param name="list">Its value.</param>
    /// <param name="scope">What object a part is.</param>
    /// <param name="readPart">Reads a part.</param>
    /// <exception cref="ApiException">A part is wrong.</exception>
    public string ReadParts(RequestField field, JsonElement list, FieldScope scope, Func<JsonFields, string> readPart)
    {
        var within = PathOf(field);
        var texts = new List<string>();
        foreach (var part in list.EnumerateArray()) texts.Add(readPart(Inner(part, $"{within}[{texts.Count}]", scope)));
        return string.Join('\n', texts);
    }

    /// <summary>Where a field lies in the request.</summary>
    /// <param name="field">The field.</param>
    public string PathOf(RequestField field) => FieldCheck.PathOf(path, field.Name);

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

    /// <summary>The <c>type</c> of an object that may be one of several.</summary>
    /// <param name="value">The object.</param>
    /// <param name="path">Where it lies in the request.</param>
    /// <param name="types">What it may be.</param>
    /// <param name="usual">What it is without a type; null where it must have one.</param>
    /// <exception cref="ApiException">It is no object, or of no such type.</exception>
    public static string ReadType(JsonElement value, string path, string[] types, string? usual = null)
    {
        if (value.ValueKind != JsonValueKind.Object) throw Wrong(path, value, "an object");
        var expected = string.Join(" or ", types.Select(type => $"\"{type}\""));
        path = $"{path}.type";
        if (!value.TryGetProperty("type", out var type) || type.ValueKind == JsonValueKind.Null)
            return usual ?? throw ApiException.Invalid(path, $"{path} is missing; expected {expected}.");
        return type.ValueKind == JsonValueKind.String && types.Contains(type.GetString()) ? type.GetString()! : throw Wrong(path, type, expected);
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

    /// <summary>A value as errors show it.</summary>
    /// <param name="value">The value.</param>
    public static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => value.GetArrayLength() == 0 ? "an empty list" : "a list",
        JsonValueKind.String => $"the string {Shorten(value)}",
        JsonValueKind.Number => $"the number {Shorten(value)}",
        _ => Shorten(value),
    };

    private static JsonFields Of(JsonElement value, string path, FieldScope scope, bool ignoreUnknown)
    {
        if (value.ValueKind != JsonValueKind.Object) throw Wrong(path, value, "an object");
        FieldCheck.Check(value, path, scope, ignoreUnknown);
        return new JsonFields(value, path, scope, ignoreUnknown);
    }

    private ApiException Missing(string name, string expected)
    {
        var missing = FieldCheck.PathOf(path, name);
        return ApiException.Invalid(missing, $"{missing} is missing; expected {expected}.");
    }

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
