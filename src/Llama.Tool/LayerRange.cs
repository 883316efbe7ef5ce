using System.Globalization;

namespace Llama.Tool;

/// <summary>A range of layers as an option says it.</summary>
internal static class LayerRange
{
    /// <summary>Its form, a regular expression.</summary>
    public const string Form = "[0-9]{1,4}-[0-9]{1,4}";

    /// <summary>What is expected of the option.</summary>
    public const string Expected = "a range of layers like 0-27";

    /// <summary>First layer, and the one after the last; null for the model's end.</summary>
    /// <param name="option">The option's value, or null for all layers.</param>
    public static (int First, int? End) Parse(string? option) => option?.Split('-') is [var first, var end] ? (Number(first), Number(end)) : (0, null);

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
