using System.Collections.Frozen;

namespace Llama.Model.Grammars.Schemas;

/// <summary>The formats that strings may have, as regular expressions. What they match is of the format; rare spellings are left out.</summary>
internal static class Formats
{
    /// <summary>Not 0000, which RFC 3339 allows and the calendars of many languages do not have.</summary>
    private const string Year = @"(?:[1-9]\d{3}|0[1-9]\d\d|00[1-9]\d|000[1-9])";

    private const string Day = $@"(?:{Year}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))"
        + @"|(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29)";

    private const string Time = @"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)";
    private const string Clock = @"(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S)";
    private const string Calendar = @"(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)";
    private const string Label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    private const string Host = $@"{Label}(?:\.{Label}){{0,3}}";
    private const string Atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
    private const string Byte = @"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)";
    private const string Address4 = $@"(?:{Byte}\.){{3}}{Byte}";
    private const string Hex = "[0-9A-Fa-f]{1,4}";
    private const string Tail = $"(?:{Hex}:{Hex}|{Address4})";

    /// <summary>RFC 3986, 2: what may stand in a path, query or fragment.</summary>
    private const string Uric = "(?:[A-Za-z0-9._~:@!$&'()*+,;=/?-]|%[0-9A-Fa-f]{2})";

    private static readonly FrozenDictionary<string, string> Patterns = new Dictionary<string, string>
    {
        ["date"] = Day,
        ["date-time"] = $"{Day}T{Time}",
        ["duration"] = $@"P(?:{Calendar}(?:T{Clock})?|T{Clock}|\d+W)",
        ["email"] = $@"{Atom}(?:\.{Atom})*@{Host}",
        ["hostname"] = Host,
        ["ipv4"] = Address4,

        // RFC 3986, 3.2.2: IPv6address.
        ["ipv6"] = $"(?:(?:{Hex}:){{6}}{Tail}|::(?:{Hex}:){{5}}{Tail}|(?:{Hex})?::(?:{Hex}:){{4}}{Tail}|(?:(?:{Hex}:){{0,1}}{Hex})?::(?:{Hex}:){{3}}{Tail}"
            + $"|(?:(?:{Hex}:){{0,2}}{Hex})?::(?:{Hex}:){{2}}{Tail}|(?:(?:{Hex}:){{0,3}}{Hex})?::{Hex}:{Tail}|(?:(?:{Hex}:){{0,4}}{Hex})?::{Tail}"
            + $"|(?:(?:{Hex}:){{0,5}}{Hex})?::{Hex}|(?:(?:{Hex}:){{0,6}}{Hex})?::)",
        ["time"] = Time,
        ["uri"] = $"[A-Za-z][A-Za-z0-9+.-]*:(?://{Host}(?::[0-9]{{1,5}})?(?:/{Uric}*)?|{Uric}+)(?:#{Uric}*)?",
        ["uuid"] = "[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",
    }.ToFrozenDictionary();

    /// <summary>The names of the formats.</summary>
    public static string Names => string.Join(", ", Patterns.Keys.Order(StringComparer.Ordinal));

    /// <summary>The regular expression of a format, from the beginning of a string to its end; null when it is not served.</summary>
    public static string? PatternOf(string format) => Patterns.TryGetValue(format, out string? pattern) ? $"^(?:{pattern})$" : null;
}
