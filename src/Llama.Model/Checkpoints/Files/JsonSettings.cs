using System.Text.Json;

namespace Llama.Model.Checkpoints.Files;

/// <summary>
/// An object of a JSON configuration file, read field by field: each getter returns null for a field that is absent or null, and
/// throws a message with file, field, what was found and what was expected for one of another kind.
/// </summary>
internal sealed class JsonSettings
{
    // The largest that is known, the index of a model of a thousand tensors, takes 100 kB.
    private const int LargestFile = 4 << 20;

    private readonly JsonElement root;
    private readonly string prefix;

    private JsonSettings(string path, string prefix, JsonElement root)
    {
        Path = path;
        this.prefix = prefix;
        this.root = root;
    }

    /// <summary>The file's path.</summary>
    public string Path { get; }

    /// <summary>The names and values of an object whose values are all texts.</summary>
    public IEnumerable<KeyValuePair<string, string>> Texts()
    {
        foreach (JsonProperty property in root.EnumerateObject())
        {
            string name = Guard("a field's name", () => property.Name);
            if (property.Value.ValueKind != JsonValueKind.String) throw Wrong(name, property.Value, "a text");
            yield return new(name, Guard(name, () => property.Value.GetString()!));
        }
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="CheckpointException">It is missing, too large, or not a JSON object.</exception>
    public static JsonSettings Read(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            if (stream.Length > LargestFile)
                throw new CheckpointException($"{path}: found {stream.Length} bytes, expected at most {LargestFile}");
            byte[] bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            WrongDownload.Refuse(path, bytes);
            Utf8Check.Refuse(path, bytes);
            using var document = JsonDocument.Parse(bytes);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new CheckpointException($"{path}: found {Kind(document.RootElement)}, expected a JSON object");
            return new JsonSettings(path, "", document.RootElement.Clone());
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"{path}: the file is missing", e);
        }
        catch (JsonException e)
        {
            throw new CheckpointException($"{path}: found no valid JSON: {Excerpt.Of(e.Message)}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Reads a file that need not be there.</summary>
    /// <exception cref="CheckpointException">It is too large, or not a JSON object.</exception>
    public static JsonSettings? ReadIfThere(string path) => File.Exists(path) ? Read(path) : null;

    /// <summary>A whole number from <paramref name="least"/> to <paramref name="most"/>.</summary>
    public int? Whole(string field, int least, int most)
    {
        if (Find(field) is not { } value) return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= least && number <= most
            ? number
            : throw Wrong(field, value, $"a whole number from {least} to {most}");
    }

    /// <summary>A number above 0 and at most <paramref name="most"/>.</summary>
    public double? Positive(string field, double most)
    {
        if (Find(field) is not { } value) return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && (float)number > 0 && number <= most
            ? number
            : throw Wrong(field, value, $"a number above 0 and at most {most}");
    }

    /// <summary>A number from <paramref name="least"/> to <paramref name="most"/>.</summary>
    public double? Number(string field, double least, double most)
    {
        if (Find(field) is not { } value) return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= least && number <= most
            ? number
            : throw Wrong(field, value, $"a number from {least} to {most}");
    }

    /// <summary>True or false.</summary>
    public bool? Flag(string field)
    {
        if (Find(field) is not { } value) return null;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.ValueKind == JsonValueKind.True
            : throw Wrong(field, value, "true or false");
    }

    /// <summary>A text.</summary>
    public string? Text(string field)
    {
        if (Find(field) is not { } value) return null;
        return value.ValueKind == JsonValueKind.String ? Guard(field, () => value.GetString()!) : throw Wrong(field, value, "a text");
    }

    /// <summary>A list of texts.</summary>
    public IReadOnlyList<string>? TextList(string field)
    {
        if (Find(field) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String))
            throw Wrong(field, value, "a list of texts");
        return Guard(field, () => value.EnumerateArray().Select(item => item.GetString()!).ToArray());
    }

    /// <summary>A list of whole numbers from <paramref name="least"/> to <paramref name="most"/>.</summary>
    public IReadOnlyList<int>? WholeList(string field, int least, int most)
    {
        if (Find(field) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Array) throw Wrong(field, value, "a list of whole numbers");
        return [.. value.EnumerateArray().Select(item =>
            item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int number) && number >= least && number <= most
                ? number
                : throw Wrong(field, item, $"whole numbers from {least} to {most}"))];
    }

    /// <summary>A token id, or a list of them; those outside the vocabulary are left out and told.</summary>
    public IReadOnlyList<int>? Tokens(string field, int vocabSize, List<string> warnings)
    {
        if (Find(field) is not { } value) return null;
        JsonElement[] items = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : [value];
        var tokens = new List<int>();
        foreach (JsonElement item in items)
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt64(out long token))
                throw Wrong(field, item, $"a token of the vocabulary, from 0 to {vocabSize - 1}");
            if (token >= 0 && token < vocabSize) tokens.Add((int)token);
            else warnings.Add($"{Path}: {prefix}{field}: {token} is no token of the vocabulary, which has {vocabSize}, and is ignored");
        }

        return tokens;
    }

    /// <summary>An object within this one.</summary>
    public JsonSettings? Object(string field)
    {
        if (Find(field) is not { } value) return null;
        return value.ValueKind == JsonValueKind.Object
            ? new JsonSettings(Path, $"{prefix}{field}.", value)
            : throw Wrong(field, value, "an object");
    }

    /// <summary>Whether a field is there and not null.</summary>
    public bool Has(string field) => Find(field) is not null;

    /// <summary>The error for a field that must be there and is not.</summary>
    public CheckpointException Missing(string field) => new($"{Path}: {prefix}{field}: not there, expected a value");

    /// <summary>The error for a field whose value cannot be used.</summary>
    public CheckpointException Wrong(string field, string expected) =>
        Find(field) is { } value ? Wrong(field, value, expected) : new($"{Path}: {prefix}{field}: not there, expected {expected}");

    private CheckpointException Wrong(string field, JsonElement value, string expected) =>
        new($"{Path}: {prefix}{Excerpt.Of(field)}: found {Kind(value)}, expected {expected}");

    private JsonElement? Find(string field) => Guard<JsonElement?>(
        field,
        () => root.TryGetProperty(field, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null);

    // A text with half a surrogate pair is valid JSON, and no text.
    private T Guard<T>(string field, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException e)
        {
            throw new CheckpointException($"{Path}: {prefix}{field}: found a text that is not valid Unicode", e);
        }
    }

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        _ => Excerpt.Of(value.GetRawText()),
    };
}
