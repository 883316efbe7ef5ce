using System.Globalization;

namespace Llama.Gateway.Api.Reading;

/// <summary>
/// JSON may spell half of a surrogate pair (<c>"\ud800"</c>, RFC 8259 section 8.2), which is no Unicode text. It counts as U+FFFD here.
/// </summary>
internal static class LoneSurrogates
{
    private const int EscapeLength = 6;

    /// <summary>Rewrites every escaped lone surrogate as <c>\ufffd</c>, in place; both are six bytes long.</summary>
    /// <param name="json">UTF-8 JSON. A backslash occurs in strings alone, so no parsing is needed; in bad JSON it does no harm.</param>
    public static void Replace(Span<byte> json)
    {
        for (var rest = json; rest.IndexOf((byte)'\\') is >= 0 and var at;)
        {
            rest = rest[at..];
            if (!TryReadEscape(rest, out var unit))
            {
                rest = rest[Math.Min(2, rest.Length)..];
                continue;
            }

            var isPair = char.IsHighSurrogate(unit) && TryReadEscape(rest[EscapeLength..], out var next) && char.IsLowSurrogate(next);
            if (char.IsSurrogate(unit) && !isPair) "\\ufffd"u8.CopyTo(rest);
            rest = rest[(isPair ? 2 * EscapeLength : EscapeLength)..];
        }
    }

    private static bool TryReadEscape(ReadOnlySpan<byte> json, out char unit)
    {
        unit = default;
        if (json.Length < EscapeLength || json[0] != '\\' || json[1] != 'u') return false;
        var digits = json[2..EscapeLength];
        if (!ushort.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)) return false;
        unit = (char)value;
        return true;
    }
}
