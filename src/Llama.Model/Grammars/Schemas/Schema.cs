using System.Text.Json;

namespace Llama.Model.Grammars.Schemas;

/// <summary>A schema within a document; there is one object for each place.</summary>
/// <param name="element">An object, or true or false.</param>
/// <param name="path">Where it lies, as a JSON pointer.</param>
/// <param name="resource">The schema with the nearest <c>$id</c> around it, to which its references are relative.</param>
internal sealed class Schema(JsonElement element, string path, Schema? resource)
{
    /// <summary>An object, or true or false.</summary>
    public JsonElement Element => element;

    /// <summary>Where it lies, as a JSON pointer.</summary>
    public string Path => path;

    /// <summary>The schema whose identifier its references are relative to.</summary>
    public Schema Resource => resource ?? this;

    /// <summary>Its own identifier, if it has one.</summary>
    public Uri? Id { get; set; }

    /// <summary>Whether it allows nothing.</summary>
    public bool IsFalse => element.ValueKind == JsonValueKind.False;

    /// <summary>A keyword's value; null without it.</summary>
    public JsonElement? this[string keyword] =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(keyword, out JsonElement value) ? value : null;

    /// <summary>The error for a keyword.</summary>
    /// <param name="keyword">The keyword.</param>
    /// <param name="what">What is wrong with it.</param>
    public GrammarException Wrong(string keyword, string what) => new($"{keyword} at {(path.Length == 0 ? "the root" : path)} {what}.");
}
