using System.Text.Json;
using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Tokenization;

/// <summary>A value in a JSON file that knows where it stands, so that whatever is wrong with it can be said.</summary>
internal readonly struct JsonField
{
    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false };

    private readonly string file;
    private readonly string path;
    private readonly JsonElement value;

    private JsonField(string file, string path, JsonElement value)
    {
        this.file = file;
        this.path = path;
        this.value = value;
    }

    /// <summary>Whether the value is null or not there.</summary>
    public bool IsMissing => value.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null;

    /// <summary>Whether the value is a list.</summary>
    public bool IsList => value.ValueKind == JsonValueKind.Array;

    /// <summary>Whether the value is an object.</summary>
    public bool IsObject => value.ValueKind == JsonValueKind.Object;

    /// <summary>A member of an object; missing where the object lacks it.</summary>
    /// <exception cref="CheckpointException">The value is no object.</exception>
    public JsonField this[string name]
    {
        get
        {
            if (value.ValueKind != JsonValueKind.Object) throw Wrong("an object");
            value.TryGetProperty(name, out JsonElement member);
            return new JsonField(file, path.Length == 0 ? name : $"{path}.{name}", member);
        }
    }

    /// <summary>The whole of a JSON text.</summary>
    /// <param name="content">The file's content, in UTF-8.</param>
    /// <param name="file">The file's name, for messages.</param>
    /// <exception cref="CheckpointException">The content is not UTF-8, or not JSON, is nested too deep, or has a member twice.</exception>
    public static JsonField Parse(ReadOnlyMemory<byte> content, string file)
    {
        Utf8Check.Refuse(file, content.Span);
        try
        {
            return new JsonField(file, "", JsonDocument.Parse(content, Options).RootElement);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // The latter tells of a member's name with half a surrogate pair.
            throw new CheckpointException($"{file} is not well-formed JSON: {exception.Message}", exception);
        }
    }

    /// <summary>The value as text.</summary>
    public string Text()
    {
        if (value.ValueKind != JsonValueKind.String) throw Wrong("a text");
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new CheckpointException($"{file}: {path} is a text that is not well-formed Unicode.", exception);
        }
    }

    /// <summary>The value as a whole number from 0 to below a limit.</summary>
    public int Number(int limit) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= 0 && number < limit
            ? number
            : throw Wrong($"a whole number from 0 to {limit - 1}");

    /// <summary>The value as a truth value; false where it is missing.</summary>
    public bool Flag() => value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False or JsonValueKind.Null or JsonValueKind.Undefined => false,
        _ => throw Wrong("true or false"),
    };

    /// <summary>The items of a list.</summary>
    public IEnumerable<JsonField> Items()
    {
        if (!IsList) throw Wrong("a list");
        int index = 0;
        foreach (JsonElement item in value.EnumerateArray())
            yield return new JsonField(file, $"{path}[{index++}]", item);
    }

    /// <summary>The members of an object.</summary>
    public IEnumerable<(string Name, JsonField Value)> Members()
    {
        if (!IsObject) throw Wrong("an object");
        foreach (JsonProperty member in value.EnumerateObject())
        {
            string name = NameOf(member);
            yield return (name, new JsonField(file, $"{path}['{name}']", member.Value));
        }
    }

    /// <summary>The members of an object whose values are whole numbers from 0 to below a limit.</summary>
    public IEnumerable<(string Name, int Number)> Numbers(int limit) => Members().Select(member => (member.Name, member.Value.Number(limit)));

    /// <summary>An exception that says what was found here and what was expected.</summary>
    public CheckpointException Wrong(string expected)
    {
        string found = value.ValueKind == JsonValueKind.Undefined ? "missing" : value.GetRawText();
        if (found.Length > 100) found = string.Concat(found.AsSpan(0, 100), "…");
        return new CheckpointException($"{file}: {(path.Length == 0 ? "the file's content" : path)} is {found}; expected {expected}.");
    }

    private string NameOf(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException exception)
        {
            throw new CheckpointException($"{file}: a member of {path} has a name that is not well-formed Unicode.", exception);
        }
    }
}
