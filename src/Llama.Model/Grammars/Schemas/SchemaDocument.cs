using System.Text.Json;

namespace Llama.Model.Grammars.Schemas;

/// <summary>A schema with all that it contains, and what its references point to.</summary>
internal sealed class SchemaDocument
{
    private readonly Dictionary<string, Schema> byPath = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Schema> byIdentifier = new(StringComparer.Ordinal);
    private readonly HashSet<string> named = new(StringComparer.Ordinal);

    /// <summary>Finds all schemas of a document.</summary>
    /// <param name="root">The document.</param>
    /// <exception cref="GrammarException">It is no schema, or has keywords that are not served.</exception>
    public SchemaDocument(JsonElement root)
    {
        if (root.ValueKind is not (JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False))
            throw new GrammarException("The schema is neither an object nor true or false.");
        Root = Add(root, "", null);
        Root.Id ??= new Uri("schema:/");
        byIdentifier.TryAdd(Root.Id.OriginalString, Root);
    }

    /// <summary>The schema of the whole document.</summary>
    public Schema Root { get; }

    /// <summary>A schema that is a keyword's value.</summary>
    /// <param name="schema">Has the keyword.</param>
    /// <param name="keyword">The keyword, and what of its value: names and numbers.</param>
    public Schema Child(Schema schema, params ReadOnlySpan<string> keyword)
    {
        string path = schema.Path;
        foreach (string part in keyword) path += "/" + part.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
        return byPath[path];
    }

    /// <summary>The schemas of a keyword that has a list of them.</summary>
    public IEnumerable<Schema> Children(Schema schema, string keyword) =>
        schema[keyword] is { } list ? Enumerable.Range(0, list.GetArrayLength()).Select(i => Child(schema, keyword, $"{i}")) : [];

    /// <summary>The schema that a reference points to.</summary>
    /// <param name="schema">Has the keyword <c>$ref</c>.</param>
    /// <exception cref="GrammarException">It points to nothing of the document.</exception>
    public Schema Resolve(Schema schema)
    {
        string reference = schema["$ref"]!.Value.GetString()!;
        int cut = reference.IndexOf('#', StringComparison.Ordinal);
        string address = cut < 0 ? reference : reference[..cut];
        string fragment = cut < 0 ? "" : Uri.UnescapeDataString(reference[(cut + 1)..]);
        Schema? resource = address.Length == 0 ? schema.Resource
            : Uri.TryCreate(schema.Resource.Id ?? Root.Id!, address, out Uri? full) ? byIdentifier.GetValueOrDefault(full.OriginalString) : null;
        Schema? found = resource is null ? null
            : fragment.Length == 0 ? resource
            : fragment[0] == '/' ? byPath.GetValueOrDefault(resource.Path + fragment)
            : byIdentifier.GetValueOrDefault($"{(resource.Id ?? Root.Id!).OriginalString}#{fragment}");
        return found ?? throw schema.Wrong("$ref", "points to no schema of this document");
    }

    private Schema Add(JsonElement element, string path, Schema? resource)
    {
        var schema = new Schema(element, path, resource);
        if (element.ValueKind == JsonValueKind.Object)
        {
            if (schema["$id"] is { ValueKind: JsonValueKind.String } id)
            {
                schema = new Schema(element, path, null);
                Uri around = resource?.Id ?? new Uri("schema:/");
                if (!Uri.TryCreate(around, id.GetString(), out Uri? identifier) || identifier.Fragment.Length > 1)
                    throw schema.Wrong("$id", "is no identifier");
                schema.Id = new Uri(identifier.OriginalString.TrimEnd('#'));
                if (!byIdentifier.TryAdd(schema.Id.OriginalString, schema)) throw schema.Wrong("$id", "is there twice");
            }

            if (schema.Resource == schema) schema.Id ??= new Uri("schema:/");
            AddKeywords(schema);
        }

        byPath.Add(path, schema);
        return schema;
    }

    private void AddKeywords(Schema schema)
    {
        SchemaKeywords.Check(schema);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (JsonProperty keyword in schema.Element.EnumerateObject())
        {
            if (!seen.Add(keyword.Name)) throw schema.Wrong(keyword.Name, "is there twice");
        }

        Schema resource = schema.Resource;
        if (schema["$anchor"] is { } anchor && !named.Add($"{resource.Id}#{anchor.GetString()}")) throw schema.Wrong("$anchor", "is there twice");
        if (schema["$anchor"] is { } name) byIdentifier.Add($"{resource.Id!.OriginalString}#{name.GetString()}", schema);
        foreach (string keyword in SchemaKeywords.WithSchema)
        {
            if (schema[keyword] is { } inner) Add(inner, $"{schema.Path}/{keyword}", resource);
        }

        foreach (string keyword in SchemaKeywords.WithSchemas)
        {
            int index = 0;
            foreach (JsonElement inner in schema[keyword]?.EnumerateArray() ?? default) Add(inner, $"{schema.Path}/{keyword}/{index++}", resource);
        }

        foreach (string keyword in SchemaKeywords.WithNamedSchemas)
        {
            foreach (JsonProperty inner in schema[keyword]?.EnumerateObject() ?? default)
            {
                string part = inner.Name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
                string path = $"{schema.Path}/{keyword}/{part}";
                if (byPath.ContainsKey(path)) throw schema.Wrong(keyword, $"has '{inner.Name}' twice");
                Add(inner.Value, path, resource);
            }
        }
    }
}
