using System.ComponentModel.DataAnnotations;
using Llama.Model.Weights;

namespace Llama.Bench;

/// <summary>The text must name a weight type, in upper or lower case.</summary>
/// <param name="writable">Whether only the types that weights can be rounded to are allowed.</param>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class WeightTypeAttribute(bool writable) : ValidationAttribute($"one of {string.Join(", ", Names(writable))}")
{
    /// <summary>Whether only the types that weights can be rounded to are allowed.</summary>
    public bool Writable => writable;

    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is null or "" || Names(writable).Contains((string)value, StringComparer.OrdinalIgnoreCase);

    /// <summary>The type of a valid name.</summary>
    public static ElementType Parse(string name) => Enum.Parse<ElementType>(name, ignoreCase: true);

    private static IEnumerable<string> Names(bool writable) =>
        (writable ? Model.Checkpoints.Gguf.GgufConverter.Types : Enum.GetValues<ElementType>()).Select(type => $"{type}".ToLowerInvariant());
}
