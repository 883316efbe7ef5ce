using System.Globalization;
using System.Numerics;

namespace Llama.Grains.Settings;

/// <summary>How values of one type are written: the same in a file, in the environment and on the command line.</summary>
/// <param name="Placeholder">The word that stands for a value in the help.</param>
/// <param name="Expected">What is allowed, in words.</param>
/// <param name="Parse">The value of a text, or null where the text is none.</param>
/// <param name="Format">The text of a value.</param>
internal sealed record OptionType(string Placeholder, string Expected, Func<string, object?> Parse, Func<object, string> Format)
{
    private static readonly Dictionary<Type, OptionType> Types = new()
    {
        [typeof(string)] = new("text", "text", text => text, Invariant),
        [typeof(bool)] = new(
            "true|false",
            "true or false",
            text => bool.TryParse(text, out bool value) ? value : null,
            value => value is true ? "true" : "false"),
        [typeof(int)] = Number<int>("an integer", NumberStyles.AllowLeadingSign),
        [typeof(long)] = Number<long>("an integer", NumberStyles.AllowLeadingSign),
        [typeof(float)] = Number<float>("a number", NumberStyles.Float),
        [typeof(TimeSpan)] = new("seconds", "a duration in seconds or as hh:mm:ss", text => ParseDuration(text), Invariant),
        [typeof(ByteSize)] = new(
            "size",
            "a size in bytes or like 512MiB",
            text => ByteSize.TryParse(text, CultureInfo.InvariantCulture, out ByteSize value) ? value : null,
            Invariant),
    };

    /// <summary>How values of a property's type are written.</summary>
    /// <exception cref="NotSupportedException">No option has such a type.</exception>
    public static OptionType Of(Type type)
        => Types.TryGetValue(Nullable.GetUnderlyingType(type) ?? type, out OptionType? found)
            ? found
            : throw new NotSupportedException($"An option cannot be a {type}; expected one of {string.Join(", ", Types.Keys)}.");

    private static OptionType Number<T>(string expected, NumberStyles styles)
        where T : INumber<T>
        => new(
            "number",
            expected,
            text => T.TryParse(text, styles, CultureInfo.InvariantCulture, out T? value) && T.IsFinite(value) ? value : null,
            Invariant);

    private static string Invariant(object value) => Convert.ToString(value, CultureInfo.InvariantCulture)!;

    /// <summary>A bare number is seconds; <see cref="TimeSpan.Parse(string)"/> alone would take it for days.</summary>
    private static TimeSpan? ParseDuration(string text)
    {
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds))
            return Math.Abs(seconds) < TimeSpan.MaxValue.TotalSeconds ? TimeSpan.FromSeconds(seconds) : null;
        return TimeSpan.TryParseExact(text, "c", CultureInfo.InvariantCulture, out TimeSpan value) ? value : null;
    }
}
