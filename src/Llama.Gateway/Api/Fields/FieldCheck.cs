using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Grains.Settings;

namespace Llama.Gateway.Api.Fields;

/// <summary>Holds an object against the table of fields, so that nothing in it is ignored in silence.</summary>
internal static class FieldCheck
{
    private const int ShownCharacters = 64;

    /// <summary>Refuses an object with a field that is unknown, given twice, not supported, or has a value that it does not take.</summary>
    /// <param name="value">The object.</param>
    /// <param name="path">Where it lies in the request: empty for the request itself.</param>
    /// <param name="scope">What object it is.</param>
    /// <param name="ignoreUnknown">Whether unknown fields pass.</param>
    /// <exception cref="ApiException">Names the first such field.</exception>
    public static void Check(JsonElement value, string path, FieldScope scope, bool ignoreUnknown)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var property in value.EnumerateObject())
        {
            var name = property.Name;
            if (!seen.Add(name)) throw GivenTwice(PathOf(path, name));
            if (property.Value.ValueKind == JsonValueKind.Null) continue;
            if (RequestFields.Find(scope, name) is { } field) field.Check(property.Value, PathOf(path, name));
            else if (!ignoreUnknown) throw Unknown(name, PathOf(path, name), scope);
        }
    }

    /// <summary>Where a field lies in the request.</summary>
    /// <param name="path">Where its object lies: empty for the request itself.</param>
    /// <param name="name">Its name.</param>
    public static string PathOf(string path, string name)
    {
        var shown = name.Length <= ShownCharacters ? name : name[..ShownCharacters] + "…";
        return path.Length == 0 ? shown : $"{path}.{shown}";
    }

    /// <summary>The error for a field that an object has twice.</summary>
    /// <param name="path">Where it lies in the request.</param>
    public static ApiException GivenTwice(string path) => ApiException.Invalid(path, $"{path} is given twice; expected once.");

    // What is suggested works: it is a field that is honoured.
    private static ApiException Unknown(string name, string path, FieldScope scope)
    {
        var names = RequestFields.In(scope).Where(field => field is IHonouredField).Select(field => field.Name);
        var hint = OtherScope(name, scope) is { } other ? $"it is a field of {FieldScopes.NameOf(other)}."
            : NearestName.Find(name, [.. names]) is { } nearest ? $"did you mean {nearest}?"
            : "docs/api.md lists its fields.";
        return ApiException.Invalid(path, $"{path} is not a field of {FieldScopes.NameOf(scope)}; {hint}", "unknown_parameter");
    }

    // Ollama's requests have most fields in an object of their own.
    private static FieldScope? OtherScope(string name, FieldScope scope) => !FieldScope.Request.HasFlag(scope) ? null : FieldScopes.All
        .Where(other => FieldScope.Request.HasFlag(other) || (other == FieldScope.OllamaOptions && FieldScope.Ollama.HasFlag(scope)))
        .OrderByDescending(other => other == FieldScope.OllamaOptions)
        .Where(other => RequestFields.Find(other, name) is IHonouredField)
        .Select(other => (FieldScope?)other)
        .FirstOrDefault();
}
