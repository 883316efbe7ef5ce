using System.Globalization;

namespace Llama.Model.Chat.Jinja;

/// <summary>The filters behind <c>|</c>.</summary>
internal static class JinjaFilters
{
    private static readonly Dictionary<string, Func<object?, JinjaCall, object?>> Filters = new(StringComparer.Ordinal)
    {
        ["abs"] = (value, _) => value is long whole ? (object)(whole == long.MinValue ? long.MaxValue : Math.Abs(whole)) : Math.Abs(JinjaValues.Number(value) ?? throw Unfit("abs", value)),
        ["capitalize"] = (value, _) => Text(value) is var text && text.Length == 0 ? text
            : text.Changed(char.ToUpperInvariant(text.Value[0]) + text.Value[1..].ToLowerInvariant()),
        ["default"] = Default,
        ["d"] = Default,
        ["dictsort"] = DictSort,
        ["e"] = (value, _) => Text(value).Escaped(),
        ["escape"] = (value, _) => Text(value).Escaped(),
        ["first"] = (value, _) => JinjaValues.Items(value) is [var first, ..] ? first : new JinjaUndefined("first"),
        ["float"] = (value, call) => JinjaValues.Number(value)
            ?? (value is JinjaText text && double.TryParse(text.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number
            : call.Value(0, "default") ?? 0.0),
        ["indent"] = Indent,
        ["int"] = (value, call) => value switch
        {
            long or bool => (long)JinjaValues.Number(value)!.Value,
            double number when double.Abs(number) < long.MaxValue => (long)number,
            JinjaText text when double.TryParse(text.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
                && double.Abs(number) < long.MaxValue => (long)number,
            _ => call.Value(0, "default") ?? 0L,
        },
        ["items"] = (value, _) => value switch
        {
            JinjaUndefined => Array.Empty<object?>(),
            OrderedDictionary<JinjaText, object?> dictionary => Pairs(dictionary),
            _ => throw Unfit("items", value),
        },
        ["join"] = Join,
        ["last"] = (value, _) => JinjaValues.Items(value) is [.., var last] ? last : new JinjaUndefined("last"),
        ["length"] = (value, _) => Length(value),
        ["count"] = (value, _) => Length(value),
        ["list"] = (value, _) => JinjaValues.Items(value).ToArray(),
        ["lower"] = (value, _) => Text(value) is var text ? text.Changed(text.Value.ToLowerInvariant()) : null,
        ["map"] = Map,
        ["max"] = (value, _) => Extreme(value, 1),
        ["min"] = (value, _) => Extreme(value, -1),
        ["reject"] = (value, call) => Select(value, call, byMember: false, keep: false),
        ["rejectattr"] = (value, call) => Select(value, call, byMember: true, keep: false),
        ["replace"] = (value, call) => Text(value).Replace(call.RequiredText(0, "old"), call.RequiredText(1, "new"), call.Whole(2, "count") ?? int.MaxValue),
        ["reverse"] = (value, _) => value is JinjaText text ? JinjaText.Concat([.. JinjaValues.Characters(text).Reverse()]) : JinjaValues.Items(value).Reverse().ToArray(),
        ["round"] = (value, call) => Math.Round(
            JinjaValues.Number(value) ?? throw Unfit("round", value), Math.Clamp(call.Whole(0, "precision") ?? 0, 0, 15), MidpointRounding.ToEven),
        ["safe"] = (value, _) => Text(value).AsSafe(),
        ["select"] = (value, call) => Select(value, call, byMember: false, keep: true),
        ["selectattr"] = (value, call) => Select(value, call, byMember: true, keep: true),
        ["sort"] = Sort,
        ["string"] = (value, _) => Text(value),
        ["sum"] = (value, call) => Sum(value, call),
        ["title"] = (value, _) => Text(value) is var text ? text.Changed(CultureInfo.InvariantCulture.TextInfo.ToTitleCase(text.Value.ToLowerInvariant())) : null,
        ["tojson"] = (value, call) => JinjaValues.ToJson(value, call.Value(0, "indent") is null ? null : Math.Clamp(call.Whole(0, "indent")!.Value, 0, 16)),
        ["trim"] = (value, call) => Text(value).Trim(start: true, end: true, call.Text(0, "chars")?.Value),
        ["unique"] = Unique,
        ["upper"] = (value, _) => Text(value) is var text ? text.Changed(text.Value.ToUpperInvariant()) : null,
        ["wordcount"] = (value, _) => (long)Text(value).Value.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length,
    };

    /// <summary>Whether there is a filter of this name.</summary>
    public static bool Knows(string name) => Filters.ContainsKey(name);

    /// <summary>Runs a filter.</summary>
    /// <exception cref="JinjaException">There is none, or the value does not fit it.</exception>
    public static object? Run(object? value, JinjaCall call)
    {
        if (!Filters.TryGetValue(call.Name, out var filter)) throw new JinjaException($"found the filter '{call.Name}', which is not supported");
        try
        {
            return filter(value, call);
        }
        catch (InvalidOperationException exception) when (exception.InnerException is JinjaException fault)
        {
            // Sorting wraps what a comparison throws.
            throw new JinjaException(fault.Message);
        }
    }

    /// <summary>The pairs of a dictionary, each a list of two.</summary>
    public static object?[] Pairs(OrderedDictionary<JinjaText, object?> dictionary) => [.. dictionary.Select(item => (object?)new JinjaTuple([item.Key, item.Value]))];

    private static JinjaText Text(object? value) => JinjaValues.ToText(value);

    private static JinjaException Unfit(string filter, object? value) => new($"the filter {filter} does not take {JinjaValues.TypeName(value)}");

    private static object? Default(object? value, JinjaCall call) =>
        value is JinjaUndefined || (call.Flag(1, "boolean") && !JinjaValues.IsTrue(value)) ? (call.Has(0, "default_value") ? call.Value(0, "default_value") : JinjaText.Empty) : value;

    private static long Length(object? value) => value switch
    {
        JinjaText text => (long)JinjaValues.Characters(text).Count(),
        JinjaUndefined or IReadOnlyList<object?> or OrderedDictionary<JinjaText, object?> => (long)JinjaValues.Items(value).Count,
        _ => throw Unfit("length", value),
    };

    private static JinjaText Join(object? value, JinjaCall call)
    {
        JinjaText between = call.Has(0, "d") ? Text(call.Value(0, "d")) : JinjaText.Empty;
        var parts = new List<JinjaText> { JinjaText.Empty };
        foreach (object? item in JinjaValues.Items(value))
        {
            if (parts.Count > 1) parts.Add(between);
            parts.Add(Text(call.Has(1, "attribute") ? Member(item, call.Value(1, "attribute")) : item));
        }

        return JinjaText.Concat(parts);
    }

    private static object?[] Map(object? value, JinjaCall call)
    {
        // Jinja looks at the items only where there are some: none has no items, and is no error.
        IReadOnlyList<object?> items = JinjaValues.IsTrue(value) ? JinjaValues.Items(value) : [];
        if (call.Values.Count > 0)
        {
            var inner = new JinjaCall(Text(call.Values[0]).Value, [.. call.Values.Skip(1)], new Dictionary<string, object?>());
            return [.. items.Select(item => Run(item, inner))];
        }

        object? attribute = call.Value(1, "attribute");
        return [.. items.Select(item => Member(item, attribute) is var found && found is JinjaUndefined && call.Has(2, "default") ? call.Value(2, "default") : found)];
    }

    private static object?[] Select(object? value, JinjaCall call, bool byMember, bool keep)
    {
        int test = byMember ? 1 : 0;
        IReadOnlyList<object?> items = JinjaValues.IsTrue(value) ? JinjaValues.Items(value) : [];
        return [.. items.Where(item =>
        {
            object? tested = byMember ? Member(item, call.Values.Count > 0 ? call.Values[0] : null) : item;
            bool holds = call.Values.Count > test
                ? JinjaTests.Run(Text(call.Values[test]).Value, tested, call.Values.Count > test + 1 ? call.Values[test + 1] : null)
                : JinjaValues.IsTrue(tested);
            return holds == keep;
        })];
    }

    // A member by name, or by names with dots between; a number is an index.
    private static object? Member(object? item, object? attribute)
    {
        foreach (string part in Text(attribute).Value.Split('.'))
        {
            item = item switch
            {
                OrderedDictionary<JinjaText, object?> dictionary when dictionary.TryGetValue(JinjaText.OfTemplate(part), out object? found) => found,
                IReadOnlyList<object?> list when int.TryParse(part, out int index) && index >= 0 && index < list.Count => list[index],
                JinjaNamespace space when space.Members.TryGetValue(part, out object? found) => found,
                JinjaUndefined undefined => throw new JinjaException($"'{undefined.Name}' is undefined"),
                _ => new JinjaUndefined(part),
            };
        }

        return item;
    }

    private static object?[] Sort(object? value, JinjaCall call)
    {
        bool exact = call.Flag(1, "case_sensitive");
        object? attribute = call.Value(2, "attribute");
        IEnumerable<object?> sorted = JinjaValues.Items(value).OrderBy(
            item => Key(attribute is null ? item : Member(item, attribute), exact), Comparer<object?>.Create(JinjaValues.Compare));
        return call.Flag(0, "reverse") ? [.. sorted.Reverse()] : [.. sorted];
    }

    private static object?[] DictSort(object? value, JinjaCall call)
    {
        if (value is not OrderedDictionary<JinjaText, object?> dictionary) throw Unfit("dictsort", value);
        bool exact = call.Flag(0, "case_sensitive"), byValue = call.Text(1, "by")?.Value == "value";
        IEnumerable<KeyValuePair<JinjaText, object?>> sorted = dictionary.OrderBy(
            item => Key(byValue ? item.Value : item.Key, exact), Comparer<object?>.Create(JinjaValues.Compare));
        if (call.Flag(2, "reverse")) sorted = sorted.Reverse();
        return [.. sorted.Select(item => (object?)new JinjaTuple([item.Key, item.Value]))];
    }

    private static object? Key(object? value, bool exact) => value is JinjaText text && !exact ? text.Changed(text.Value.ToLowerInvariant()) : value;

    private static object?[] Unique(object? value, JinjaCall call)
    {
        bool exact = call.Flag(0, "case_sensitive");
        object? attribute = call.Value(1, "attribute");
        var kept = new List<object?>();
        var seen = new List<object?>();
        foreach (object? item in JinjaValues.Items(value))
        {
            object? key = Key(attribute is null ? item : Member(item, attribute), exact);
            if (seen.Exists(other => JinjaValues.AreEqual(other, key))) continue;
            seen.Add(key);
            kept.Add(item);
        }

        return [.. kept];
    }

    private static object? Extreme(object? value, int sign)
    {
        IReadOnlyList<object?> items = JinjaValues.Items(value);
        return items.Count == 0 ? new JinjaUndefined("min") : items.Aggregate((best, item) => Math.Sign(JinjaValues.Compare(item, best)) == sign ? item : best);
    }

    private static object? Sum(object? value, JinjaCall call)
    {
        object? sum = call.Value(1, "start") ?? 0L;
        foreach (object? item in JinjaValues.Items(value))
        {
            object? one = call.Value(0, "attribute") is { } attribute ? Member(item, attribute) : item;
            sum = (sum, one) switch
            {
                (long left, long right) => (object)unchecked(left + right),
                _ => (JinjaValues.Number(sum) + JinjaValues.Number(one)) ?? throw Unfit("sum", one),
            };
        }

        return sum;
    }

    private static JinjaText Indent(object? value, JinjaCall call)
    {
        JinjaText text = Text(value);
        JinjaText margin = call.Value(0, "width") is JinjaText given
            ? given : JinjaText.OfTemplate(new string(' ', Math.Clamp(call.Whole(0, "width") ?? 4, 0, 1000)));
        bool first = call.Flag(1, "first"), blank = call.Flag(2, "blank");
        var parts = new List<JinjaText>();
        int start = 0;
        for (int number = 0; start <= text.Length; number++)
        {
            int end = text.Value.IndexOf('\n', start);
            JinjaText line = text.Slice(start, (end < 0 ? text.Length : end + 1) - start);
            if ((number > 0 || first) && (blank || line.Value.Trim('\n').Length > 0)) parts.Add(margin);
            parts.Add(line);
            if (end < 0) break;
            start = end + 1;
        }

        return JinjaText.Concat(parts);
    }
}
