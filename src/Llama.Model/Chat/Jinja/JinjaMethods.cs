namespace Llama.Model.Chat.Jinja;

/// <summary>The methods of texts, mappings and lists; none changes anything.</summary>
internal static class JinjaMethods
{
    private static readonly Dictionary<string, Func<JinjaText, JinjaCall, object?>> OfText = new(StringComparer.Ordinal)
    {
        ["strip"] = (text, call) => text.Trim(start: true, end: true, call.Text(0, "chars")?.Value),
        ["lstrip"] = (text, call) => text.Trim(start: true, end: false, call.Text(0, "chars")?.Value),
        ["rstrip"] = (text, call) => text.Trim(start: false, end: true, call.Text(0, "chars")?.Value),
        ["upper"] = (text, _) => text.Changed(text.Value.ToUpperInvariant()),
        ["lower"] = (text, _) => text.Changed(text.Value.ToLowerInvariant()),
        ["title"] = (text, _) => JinjaFilters.Run(text, Filter("title")),
        ["capitalize"] = (text, _) => JinjaFilters.Run(text, Filter("capitalize")),
        ["startswith"] = (text, call) => Prefixes(call).Any(prefix => text.Value.StartsWith(prefix, StringComparison.Ordinal)),
        ["endswith"] = (text, call) => Prefixes(call).Any(suffix => text.Value.EndsWith(suffix, StringComparison.Ordinal)),
        ["removeprefix"] = (text, call) => call.RequiredText(0, "prefix") is var prefix && text.Value.StartsWith(prefix.Value, StringComparison.Ordinal)
            ? text.Slice(prefix.Length, text.Length - prefix.Length) : text,
        ["removesuffix"] = (text, call) => call.RequiredText(0, "suffix") is var suffix && text.Value.EndsWith(suffix.Value, StringComparison.Ordinal)
            ? text.Slice(0, text.Length - suffix.Length) : text,
        ["replace"] = (text, call) => text.Replace(
            call.RequiredText(0, "old"), call.RequiredText(1, "new"), call.Whole(2, "count") is { } most and >= 0 ? most : int.MaxValue),
        ["split"] = (text, call) => Split(text, call, fromEnd: false),
        ["rsplit"] = (text, call) => Split(text, call, fromEnd: true),
        ["splitlines"] = (text, _) => SplitLines(text),
        ["join"] = (text, call) => JinjaFilters.Run(call.Value(0, "iterable"), Filter("join", text)),
        ["find"] = (text, call) => (long)text.Value.IndexOf(call.RequiredText(0, "sub").Value, StringComparison.Ordinal),
        ["rfind"] = (text, call) => (long)text.Value.LastIndexOf(call.RequiredText(0, "sub").Value, StringComparison.Ordinal),
        ["count"] = (text, call) => (long)(text.Value.Split(call.RequiredText(0, "sub").Value).Length - 1),
        ["isdigit"] = (text, _) => text.Length > 0 && text.Value.All(char.IsDigit),
        ["isalpha"] = (text, _) => text.Length > 0 && text.Value.All(char.IsLetter),
        ["isalnum"] = (text, _) => text.Length > 0 && text.Value.All(char.IsLetterOrDigit),
        ["isspace"] = (text, _) => text.Length > 0 && text.Value.All(char.IsWhiteSpace),
        ["isupper"] = (text, _) => JinjaTests.Run("upper", text, null),
        ["islower"] = (text, _) => JinjaTests.Run("lower", text, null),
    };

    private static readonly Dictionary<string, Func<OrderedDictionary<JinjaText, object?>, JinjaCall, object?>> OfMapping = new(StringComparer.Ordinal)
    {
        ["items"] = (mapping, _) => JinjaFilters.Pairs(mapping),
        ["keys"] = (mapping, _) => mapping.Keys.ToArray<object?>(),
        ["values"] = (mapping, _) => mapping.Values.ToArray(),
        ["get"] = (mapping, call) => call.Value(0, "key") is JinjaText key && mapping.TryGetValue(key, out object? value) ? value : call.Value(1, "default"),
        ["copy"] = (mapping, _) => mapping,
    };

    private static readonly Dictionary<string, Func<IReadOnlyList<object?>, JinjaCall, object?>> OfList = new(StringComparer.Ordinal)
    {
        ["count"] = (list, call) => (long)list.Count(item => JinjaValues.AreEqual(item, call.Value(0, "value"))),
        ["index"] = (list, call) => Enumerable.Range(0, list.Count).Where(i => JinjaValues.AreEqual(list[i], call.Value(0, "value"))).Select(i => (object?)(long)i)
            .FirstOrDefault() ?? throw new JinjaException("index: the list has no such item"),
        ["copy"] = (list, _) => list,
    };

    /// <summary>A method of a value, or null where it has none of this name.</summary>
    public static JinjaFunction? Find(object? value, string name) => value switch
    {
        JinjaText text when OfText.TryGetValue(name, out var method) => Bind(name, call => method(text, call)),
        OrderedDictionary<JinjaText, object?> mapping when OfMapping.TryGetValue(name, out var method) => Bind(name, call => method(mapping, call)),
        IReadOnlyList<object?> list when OfList.TryGetValue(name, out var method) => Bind(name, call => method(list, call)),
        _ => null,
    };

    private static JinjaFunction Bind(string name, Func<JinjaCall, object?> method) => new(name, (values, named) => method(new JinjaCall(name, values, named)));

    private static JinjaCall Filter(string name, params object?[] values) => new(name, values, new Dictionary<string, object?>());

    private static IEnumerable<string> Prefixes(JinjaCall call) => call.Value(0, "prefix") is IReadOnlyList<object?> several
        ? several.Select(one => JinjaValues.ToText(one).Value)
        : [call.RequiredText(0, "prefix").Value];

    private static object?[] Split(JinjaText text, JinjaCall call, bool fromEnd)
    {
        int most = call.Whole(1, "maxsplit") is { } given and >= 0 ? given : int.MaxValue;
        // Without a separator, blanks at the ends separate nothing.
        if (call.Text(0, "sep") is null) text = text.Trim(start: true, end: true, null);
        List<(int Start, int End)> gaps = call.Text(0, "sep") is { } separator ? Gaps(text, separator) : Blanks(text);
        if (gaps.Count > most) gaps = fromEnd ? gaps[^most..] : gaps[..most];
        var parts = new List<object?>();
        int at = 0;
        foreach ((int start, int end) in gaps)
        {
            parts.Add(text.Slice(at, start - at));
            at = end;
        }

        parts.Add(text.Slice(at, text.Length - at));
        if (call.Text(0, "sep") is null) parts.RemoveAll(part => ((JinjaText)part!).Length == 0);
        return [.. parts];
    }

    private static List<(int Start, int End)> Gaps(JinjaText text, JinjaText separator)
    {
        if (separator.Length == 0) throw new JinjaException("split: the separator is empty");
        var gaps = new List<(int, int)>();
        for (int at = 0; (at = text.Value.IndexOf(separator.Value, at, StringComparison.Ordinal)) >= 0; at += separator.Length)
            gaps.Add((at, at + separator.Length));
        return gaps;
    }

    private static List<(int Start, int End)> Blanks(JinjaText text)
    {
        var gaps = new List<(int, int)>();
        for (int at = 0; at < text.Length; at++)
        {
            if (!char.IsWhiteSpace(text.Value[at])) continue;
            int start = at;
            while (at < text.Length && char.IsWhiteSpace(text.Value[at])) at++;
            if (start > 0 && at < text.Length) gaps.Add((start, at));
        }

        return gaps;
    }

    private static object?[] SplitLines(JinjaText text)
    {
        var lines = new List<object?>();
        int at = 0;
        while (at < text.Length)
        {
            int end = text.Value.AsSpan(at).IndexOfAny('\n', '\r');
            int length = end < 0 ? text.Length - at : end;
            lines.Add(text.Slice(at, length));
            at += length + 1;
            if (end >= 0 && at < text.Length && text.Value[at - 1] == '\r' && text.Value[at] == '\n') at++;
        }

        return [.. lines];
    }
}
