using System.Globalization;

namespace Llama.Model.Chat.Jinja;

/// <summary>
/// A template in Jinja, as far as chat templates use it: without access to anything but what it is given, within
/// <see cref="JinjaLimits"/>. Texts and errors are those of jinja2 3.1 in the environment of transformers. Immutable.
/// </summary>
internal sealed class JinjaTemplate
{
    private readonly IReadOnlyList<JinjaNode> nodes;

    private JinjaTemplate(string source, IReadOnlyList<JinjaNode> nodes) => (Source, this.nodes) = (source, nodes);

    /// <summary>The template's text.</summary>
    public string Source { get; }

    /// <summary>Reads a template.</summary>
    /// <exception cref="JinjaException">It is malformed, or uses what is not supported.</exception>
    public static JinjaTemplate Parse(string source)
    {
        try
        {
            return new JinjaTemplate(source, JinjaParser.Parse(source));
        }
        catch (InsufficientExecutionStackException)
        {
            throw new JinjaException("the template is nested too deep");
        }
    }

    /// <summary>What the template gives.</summary>
    /// <param name="variables">Its variables; what they hold of a request's texts is marked as such.</param>
    /// <param name="now">The time that it is told.</param>
    /// <exception cref="JinjaException">The template raised an error or cannot be run with these variables.</exception>
    public JinjaText Render(IEnumerable<KeyValuePair<string, object?>> variables, DateTimeOffset now)
    {
        Dictionary<string, object?> all = new(StringComparer.Ordinal)
        {
            ["namespace"] = new JinjaFunction("namespace", (values, named) => Namespace(values, named)),
            ["dict"] = new JinjaFunction("dict", (_, named) => JinjaValues.Dictionary(named.Select(item => (JinjaText.OfTemplate(item.Key), item.Value)))),
            ["range"] = new JinjaFunction("range", (values, _) => Range(values)),
            ["raise_exception"] = new JinjaFunction("raise_exception", (values, _) => throw new JinjaException(
                values.Count > 0 ? JinjaValues.ToText(values[0]).Value : "the template raised an error")),
            ["strftime_now"] = new JinjaFunction("strftime_now", (values, _) => JinjaText.OfTemplate(
                Time(values is [JinjaText format] ? format.Value : throw new JinjaException("strftime_now takes one text"), now))),
        };
        foreach ((string name, object? value) in variables) all[name] = value;
        return new JinjaRenderer(all).Render(nodes);
    }

    private static JinjaNamespace Namespace(IReadOnlyList<object?> values, IReadOnlyDictionary<string, object?> named)
    {
        var space = new JinjaNamespace();
        if (values is [OrderedDictionary<JinjaText, object?> first])
        {
            foreach ((JinjaText key, object? value) in first) space.Members[key.Value] = value;
        }

        foreach ((string name, object? value) in named) space.Members[name] = value;
        return space;
    }

    private static object?[] Range(IReadOnlyList<object?> values)
    {
        long[] bounds = [.. values.Select(value => value as long? ?? throw new JinjaException("range takes whole numbers"))];
        (long start, long stop, long step) = bounds switch
        {
            [var end] => (0L, end, 1L),
            [var begin, var end] => (begin, end, 1L),
            [var begin, var end, var by and not 0] => (begin, end, by),
            _ => throw new JinjaException("range takes one to three numbers, the last not 0"),
        };
        var numbers = new List<object?>();
        for (long at = start; step > 0 ? at < stop : at > stop; at += step)
        {
            // Jinja's sandbox has the same limit.
            if (numbers.Count == 100_000) throw new JinjaException("range is too long");
            numbers.Add(at);
        }

        return [.. numbers];
    }

    // C's strftime in its own locale.
    private static string Time(string format, DateTimeOffset now)
    {
        var text = new System.Text.StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i]);
                continue;
            }

            char code = format[++i];
            if (code == '-' && i + 1 < format.Length)
            {
                text.Append(Part(format[++i], now).TrimStart('0') is { Length: > 0 } trimmed ? trimmed : "0");
                continue;
            }

            text.Append(Part(code, now));
        }

        return text.ToString();
    }

    private static string Part(char code, DateTimeOffset now)
    {
        string? format = code switch
        {
            'd' => "dd",
            'm' => "MM",
            'b' or 'h' => "MMM",
            'B' => "MMMM",
            'y' => "yy",
            'Y' => "yyyy",
            'H' => "HH",
            'I' => "hh",
            'M' => "mm",
            'S' => "ss",
            'p' => "tt",
            'a' => "ddd",
            'A' => "dddd",
            'F' => "yyyy-MM-dd",
            'T' => "HH:mm:ss",
            'D' => "MM/dd/yy",
            'R' => "HH:mm",
            'z' => "zzz",
            _ => null,
        };
        return code switch
        {
            '%' => "%",
            'j' => now.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            'z' => now.ToString("zzz", CultureInfo.InvariantCulture).Replace(":", "", StringComparison.Ordinal),
            _ when format is not null => now.ToString(format, CultureInfo.InvariantCulture),
            _ => throw new JinjaException($"strftime_now: found %{code}, which is not supported"),
        };
    }
}
