using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Llama.Model.Chat.Jinja;

/// <summary>What is asked for and is not there; the message names it.</summary>
internal sealed record JinjaUndefined(string Name);

/// <summary>A tuple, which is a list but for how it is written.</summary>
internal sealed class JinjaTuple(IList<object?> items) : System.Collections.ObjectModel.ReadOnlyCollection<object?>(items);

/// <summary>What <c>namespace()</c> makes: the only thing that can be changed.</summary>
internal sealed class JinjaNamespace
{
    /// <summary>Its members.</summary>
    public Dictionary<string, object?> Members { get; } = new(StringComparer.Ordinal);
}

/// <summary>A macro, a method or a global function.</summary>
internal sealed record JinjaFunction(string Name, Func<IReadOnlyList<object?>, IReadOnlyDictionary<string, object?>, object?> Call);

/// <summary>
/// The values of templates, as Python has them: null (None), <see cref="JinjaUndefined"/>, bool, long, double, <see cref="JinjaText"/>,
/// <see cref="IReadOnlyList{T}"/>, <see cref="OrderedDictionary{TKey, TValue}"/>, and things that can be called.
/// </summary>
internal static class JinjaValues
{
    /// <summary>The value of a JSON element of a request.</summary>
    public static object? OfRequest(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => Dictionary(element.EnumerateObject().Select(member => (JinjaText.OfRequest(member.Name), OfRequest(member.Value)))),
        JsonValueKind.Array => element.EnumerateArray().Select(OfRequest).ToArray(),
        JsonValueKind.String => JinjaText.OfRequest(element.GetString()!),
        JsonValueKind.Number => element.TryGetInt64(out long whole) && !element.GetRawText().AsSpan().ContainsAny('.', 'e', 'E')
            ? (object)whole : element.GetDouble(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => null,
    };

    /// <summary>A dictionary; of a key that comes twice the last value.</summary>
    public static OrderedDictionary<JinjaText, object?> Dictionary(IEnumerable<(JinjaText Key, object? Value)> items)
    {
        var dictionary = new OrderedDictionary<JinjaText, object?>();
        foreach ((JinjaText key, object? value) in items) dictionary[key] = value;
        return dictionary;
    }

    /// <summary>Whether a value counts as true.</summary>
    public static bool IsTrue(object? value) => value switch
    {
        null or JinjaUndefined => false,
        bool truth => truth,
        long whole => whole != 0,
        double number => number != 0,
        JinjaText text => text.Length > 0,
        IReadOnlyList<object?> list => list.Count > 0,
        OrderedDictionary<JinjaText, object?> dictionary => dictionary.Count > 0,
        _ => true,
    };

    /// <summary>Whether two values are equal; numbers are, whatever their kinds.</summary>
    public static bool AreEqual(object? left, object? right)
    {
        if (Number(left) is { } first && Number(right) is { } second) return first == second;
        switch (left, right)
        {
            case (null, null) or (JinjaUndefined, JinjaUndefined):
                return true;
            case (JinjaText one, JinjaText other):
                return one.Equals(other);
            case (IReadOnlyList<object?> one, IReadOnlyList<object?> other):
                return one.Count == other.Count && one.Zip(other).All(pair => AreEqual(pair.First, pair.Second));
            case (OrderedDictionary<JinjaText, object?> one, OrderedDictionary<JinjaText, object?> other):
                return one.Count == other.Count && one.All(item => other.TryGetValue(item.Key, out object? value) && AreEqual(item.Value, value));
            default:
                return left is not null && ReferenceEquals(left, right);
        }
    }

    /// <summary>Which of two values comes first.</summary>
    /// <exception cref="JinjaException">They cannot be compared.</exception>
    public static int Compare(object? left, object? right)
    {
        if (Number(left) is { } first && Number(right) is { } second) return first.CompareTo(second);
        switch (left, right)
        {
            case (JinjaText one, JinjaText other):
                return string.CompareOrdinal(one.Value, other.Value);
            case (IReadOnlyList<object?> one, IReadOnlyList<object?> other):
                for (int i = 0; i < Math.Min(one.Count, other.Count); i++)
                {
                    if (!AreEqual(one[i], other[i])) return Compare(one[i], other[i]);
                }

                return one.Count.CompareTo(other.Count);
            default:
                throw new JinjaException($"{TypeName(left)} and {TypeName(right)} cannot be compared");
        }
    }

    /// <summary>A number, truth values among them; null for anything else.</summary>
    public static double? Number(object? value) => value switch
    {
        bool truth => truth ? 1 : 0,
        long whole => whole,
        double number => number,
        _ => null,
    };

    /// <summary>The items that a loop goes through.</summary>
    /// <exception cref="JinjaException">The value has none.</exception>
    public static IReadOnlyList<object?> Items(object? value) => value switch
    {
        JinjaUndefined => [],
        IReadOnlyList<object?> list => list,
        OrderedDictionary<JinjaText, object?> dictionary => [.. dictionary.Keys],
        JinjaText text => [.. Characters(text)],
        _ => throw new JinjaException($"{TypeName(value)} has no items"),
    };

    /// <summary>The characters of a text, surrogates together.</summary>
    public static IEnumerable<JinjaText> Characters(JinjaText text)
    {
        for (int at = 0; at < text.Length;)
        {
            int length = char.IsSurrogatePair(text.Value, at) ? 2 : 1;
            yield return text.Slice(at, length);
            at += length;
        }
    }

    /// <summary>What stands for a value in a text.</summary>
    public static JinjaText ToText(object? value) => value switch
    {
        JinjaText text => text,
        JinjaUndefined => JinjaText.Empty,
        null => JinjaText.OfTemplate("None"),
        bool truth => JinjaText.OfTemplate(truth ? "True" : "False"),
        long whole => JinjaText.OfTemplate(whole.ToString(CultureInfo.InvariantCulture)),
        double number => JinjaText.OfTemplate(Float(number)),
        _ => Written(value, Represent(value)),
    };

    /// <summary>A value as JSON, as Python's <c>json.dumps</c> with <c>ensure_ascii=False</c> writes it.</summary>
    public static JinjaText ToJson(object? value, int? indent)
    {
        var json = new StringBuilder();
        WriteJson(json, value, indent, 0);
        return Written(value, json.ToString());
    }

    /// <summary>What a value is called in messages.</summary>
    public static string TypeName(object? value) => value switch
    {
        null => "none",
        JinjaUndefined undefined => $"'{undefined.Name}', which is undefined,",
        bool => "a truth value",
        long or double => "a number",
        JinjaText => "a text",
        IReadOnlyList<object?> => "a list",
        OrderedDictionary<JinjaText, object?> => "a mapping",
        JinjaNamespace => "a namespace",
        _ => "a function",
    };

    // A text made of a value is a request's if any text in the value is.
    private static JinjaText Written(object? value, string text) => HasRequestText(value) ? JinjaText.OfRequest(text) : JinjaText.OfTemplate(text);

    private static bool HasRequestText(object? value) => value switch
    {
        JinjaText text => text.FromRequest is { } flags && flags.Contains(true),
        IReadOnlyList<object?> list => list.Any(HasRequestText),
        OrderedDictionary<JinjaText, object?> dictionary => dictionary.Any(item => HasRequestText(item.Key) || HasRequestText(item.Value)),
        _ => false,
    };

    private static string Float(double number)
    {
        if (double.IsNaN(number)) return "nan";
        if (double.IsInfinity(number)) return number > 0 ? "inf" : "-inf";
        if (number == Math.Truncate(number) && Math.Abs(number) < 1e16) return number.ToString("F1", CultureInfo.InvariantCulture);
        return number.ToString("R", CultureInfo.InvariantCulture).Replace('E', 'e');
    }

    private static string Represent(object? value)
    {
        System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
        return value switch
        {
            JinjaText text => Quote(text.Value),
            JinjaTuple { Count: 1 } single => $"({Represent(single[0])},)",
            JinjaTuple tuple => $"({string.Join(", ", tuple.Select(Represent))})",
            IReadOnlyList<object?> list => $"[{string.Join(", ", list.Select(Represent))}]",
            OrderedDictionary<JinjaText, object?> dictionary =>
                $"{{{string.Join(", ", dictionary.Select(item => $"{Quote(item.Key.Value)}: {Represent(item.Value)}"))}}}",
            JinjaUndefined => "Undefined",
            JinjaNamespace => "<Namespace>",
            JinjaFunction function => $"<function {function.Name}>",
            _ => ToText(value).Value,
        };
    }

    // Python's repr: single quotes, unless there are some within and no double ones.
    private static string Quote(string text)
    {
        char quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        var quoted = new StringBuilder().Append(quote);
        foreach (char character in text)
        {
            _ = character switch
            {
                '\\' => quoted.Append(@"\\"),
                '\n' => quoted.Append(@"\n"),
                '\r' => quoted.Append(@"\r"),
                '\t' => quoted.Append(@"\t"),
                < ' ' or '\x7F' => quoted.Append(CultureInfo.InvariantCulture, $@"\x{(int)character:x2}"),
                _ when character == quote => quoted.Append('\\').Append(character),
                _ => quoted.Append(character),
            };
        }

        return quoted.Append(quote).ToString();
    }

    private static void WriteJson(StringBuilder json, object? value, int? indent, int level)
    {
        System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
        if (json.Length > JinjaLimits.Characters) throw new JinjaException("the JSON is too long");
        switch (value)
        {
            case null:
                json.Append("null");
                break;
            case bool truth:
                json.Append(truth ? "true" : "false");
                break;
            case long or double:
                json.Append(ToText(value).Value);
                break;
            case JinjaText text:
                WriteJsonText(json, text.Value);
                break;
            case IReadOnlyList<object?> list:
                WriteJsonItems(json, "[]", list.Count, indent, level, i => WriteJson(json, list[i], indent, level + 1));
                break;
            case OrderedDictionary<JinjaText, object?> dictionary:
                WriteJsonItems(json, "{}", dictionary.Count, indent, level, i =>
                {
                    WriteJsonText(json, dictionary.GetAt(i).Key.Value);
                    json.Append(": ");
                    WriteJson(json, dictionary.GetAt(i).Value, indent, level + 1);
                });
                break;
            default:
                throw new JinjaException($"{TypeName(value)} cannot be written as JSON");
        }
    }

    private static void WriteJsonItems(StringBuilder json, string brackets, int count, int? indent, int level, Action<int> write)
    {
        json.Append(brackets[0]);
        for (int i = 0; i < count; i++)
        {
            if (i > 0) json.Append(indent is null ? ", " : ",");
            if (indent is { } width) json.Append('\n').Append(' ', width * (level + 1));
            write(i);
        }

        if (indent is { } last && count > 0) json.Append('\n').Append(' ', last * level);
        json.Append(brackets[1]);
    }

    private static void WriteJsonText(StringBuilder json, string text)
    {
        json.Append('"');
        foreach (char character in text)
        {
            _ = character switch
            {
                '"' => json.Append("\\\""),
                '\\' => json.Append(@"\\"),
                '\n' => json.Append(@"\n"),
                '\r' => json.Append(@"\r"),
                '\t' => json.Append(@"\t"),
                '\b' => json.Append(@"\b"),
                '\f' => json.Append(@"\f"),
                < ' ' => json.Append(CultureInfo.InvariantCulture, $@"\u{(int)character:x4}"),
                _ => json.Append(character),
            };
        }

        json.Append('"');
    }
}
