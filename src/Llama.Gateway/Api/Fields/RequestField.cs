using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Reading;

namespace Llama.Gateway.Api.Fields;

/// <summary>A field that requests may have. A value of null is the same as none.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Scopes">The objects that it may stand in.</param>
internal abstract record RequestField(string Name, FieldScope Scopes)
{
    /// <summary>Refuses a value that the field does not take.</summary>
    /// <param name="value">The value; not null.</param>
    /// <param name="path">Where it lies in the request.</param>
    /// <exception cref="ApiException">It is such a value.</exception>
    public abstract void Check(JsonElement value, string path);
}

/// <summary>Reads a JSON value.</summary>
/// <typeparam name="T">What it is read as.</typeparam>
/// <param name="value">The value; not null.</param>
/// <param name="result">What it says.</param>
/// <returns>False when it is of the wrong type or out of range.</returns>
internal delegate bool TryRead<T>(JsonElement value, out T result);

/// <summary>A field that does what it says.</summary>
/// <typeparam name="T">What it is read as; null when it is absent.</typeparam>
/// <param name="Name">Its name.</param>
/// <param name="Scopes">The objects that it may stand in.</param>
/// <param name="Expected">The values that it takes, in words.</param>
/// <param name="Reader">Reads one.</param>
/// <param name="Does">What it does, for the documentation.</param>
internal sealed record HonouredField<T>(string Name, FieldScope Scopes, string Expected, TryRead<T> Reader, string Does)
    : RequestField(Name, Scopes), IHonouredField
{
    /// <summary>Reads a value.</summary>
    /// <param name="value">The value; not null.</param>
    /// <param name="path">Where it lies in the request.</param>
    /// <exception cref="ApiException">It is of the wrong type or out of range.</exception>
    public T Read(JsonElement value, string path) => Reader(value, out var result) ? result : throw JsonFields.Wrong(path, value, Expected);

    /// <inheritdoc/>
    public override void Check(JsonElement value, string path) => Read(value, path);
}

/// <summary>What all fields that are honoured have in common, whatever they are read as.</summary>
internal interface IHonouredField
{
    /// <summary>The values that it takes, in words.</summary>
    string Expected { get; }

    /// <summary>What it does, for the documentation.</summary>
    string Does { get; }
}

/// <summary>A field that is taken and does nothing, because none of its values could change an answer.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Scopes">The objects that it may stand in.</param>
/// <param name="Kinds">The types of values that it takes.</param>
/// <param name="Why">Why that is harmless, for the documentation.</param>
internal sealed record HarmlessField(string Name, FieldScope Scopes, JsonValueKind[] Kinds, string Why) : RequestField(Name, Scopes)
{
    /// <summary>The values that it takes, in words.</summary>
    public string Expected => string.Join(" or ", Kinds.Select(NameOf).Distinct());

    /// <inheritdoc/>
    public override void Check(JsonElement value, string path)
    {
        if (!Kinds.Contains(value.ValueKind)) throw JsonFields.Wrong(path, value, Expected);
    }

    private static string NameOf(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        _ => "true or false",
    };
}

/// <summary>A field that is not supported, which is refused unless its value asks for nothing.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Scopes">The objects that it may stand in.</param>
/// <param name="Neutral">The values that ask for nothing, as JSON.</param>
/// <param name="Instead">A field that does the same here; null when none does.</param>
internal sealed record RefusedField(string Name, FieldScope Scopes, string[] Neutral, string? Instead = null) : RequestField(Name, Scopes)
{
    private const string Code = "unsupported_parameter";
    private readonly JsonElement[] neutral = [.. Neutral.Select(value => JsonElement.Parse(value))];

    /// <inheritdoc/>
    public override void Check(JsonElement value, string path)
    {
        foreach (var one in neutral)
        {
            if (JsonElement.DeepEquals(one, value)) return;
        }

        var expected = Neutral.Length == 0 ? "absent" : $"absent or {string.Join(" or ", Neutral)}";
        var use = Instead is null ? "" : $" Use {Instead}.";
        throw ApiException.Invalid(path, $"{path} is not supported: it must be {expected}; found {JsonFields.Describe(value)}.{use}", Code);
    }
}
