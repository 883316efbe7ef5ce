namespace Llama.Model.Chat.Jinja;

/// <summary>The tests behind <c>is</c>.</summary>
internal static class JinjaTests
{
    private static readonly Dictionary<string, Func<object?, object?, bool>> Tests = new(StringComparer.Ordinal)
    {
        ["defined"] = (value, _) => value is not JinjaUndefined,
        ["undefined"] = (value, _) => value is JinjaUndefined,
        ["none"] = (value, _) => value is null,
        ["boolean"] = (value, _) => value is bool,
        ["true"] = (value, _) => value is true,
        ["false"] = (value, _) => value is false,
        ["string"] = (value, _) => value is JinjaText,
        ["number"] = (value, _) => value is long or double or bool,
        ["integer"] = (value, _) => value is long,
        ["float"] = (value, _) => value is double,
        ["mapping"] = (value, _) => value is OrderedDictionary<JinjaText, object?>,
        ["iterable"] = (value, _) => value is JinjaText or IReadOnlyList<object?> or OrderedDictionary<JinjaText, object?> or JinjaUndefined,
        ["sequence"] = (value, _) => value is JinjaText or IReadOnlyList<object?> or OrderedDictionary<JinjaText, object?> or JinjaUndefined,
        ["callable"] = (value, _) => value is JinjaFunction,
        ["sameas"] = (value, other) => ReferenceEquals(value, other) || (value is bool or null && JinjaValues.AreEqual(value, other)),
        ["in"] = (value, other) => Contains(other, value),
        ["odd"] = (value, _) => value is long number && number % 2 != 0,
        ["even"] = (value, _) => value is long number && number % 2 == 0,
        ["divisibleby"] = (value, other) => value is long number && other is long by and not 0 && number % by == 0,
        ["lower"] = (value, _) => value is JinjaText text && text.Value.Any(char.IsLower) && !text.Value.Any(char.IsUpper),
        ["upper"] = (value, _) => value is JinjaText text && text.Value.Any(char.IsUpper) && !text.Value.Any(char.IsLower),
        ["eq"] = JinjaValues.AreEqual,
        ["equalto"] = JinjaValues.AreEqual,
        ["=="] = JinjaValues.AreEqual,
        ["ne"] = (value, other) => !JinjaValues.AreEqual(value, other),
        ["!="] = (value, other) => !JinjaValues.AreEqual(value, other),
        ["lt"] = (value, other) => JinjaValues.Compare(value, other) < 0,
        ["lessthan"] = (value, other) => JinjaValues.Compare(value, other) < 0,
        ["<"] = (value, other) => JinjaValues.Compare(value, other) < 0,
        ["le"] = (value, other) => JinjaValues.Compare(value, other) <= 0,
        ["<="] = (value, other) => JinjaValues.Compare(value, other) <= 0,
        ["gt"] = (value, other) => JinjaValues.Compare(value, other) > 0,
        ["greaterthan"] = (value, other) => JinjaValues.Compare(value, other) > 0,
        [">"] = (value, other) => JinjaValues.Compare(value, other) > 0,
        ["ge"] = (value, other) => JinjaValues.Compare(value, other) >= 0,
        [">="] = (value, other) => JinjaValues.Compare(value, other) >= 0,
    };

    /// <summary>Whether there is a test of this name.</summary>
    public static bool Knows(string name) => Tests.ContainsKey(name);

    /// <summary>Runs a test.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="value">The value.</param>
    /// <param name="argument">What it is given, if anything.</param>
    /// <exception cref="JinjaException">There is none, or the value cannot be tested like this.</exception>
    public static bool Run(string name, object? value, object? argument) => Tests.TryGetValue(name, out var test)
        ? test(value, argument)
        : throw new JinjaException($"found the test '{name}', which is not supported");

    /// <summary>Whether a value is among another's.</summary>
    /// <exception cref="JinjaException">The other has no items.</exception>
    public static bool Contains(object? container, object? value) => container switch
    {
        JinjaUndefined => false,
        JinjaText text => value is JinjaText part
            ? text.Value.Contains(part.Value, StringComparison.Ordinal)
            : throw new JinjaException($"{JinjaValues.TypeName(value)} cannot be in a text"),
        OrderedDictionary<JinjaText, object?> dictionary => value is JinjaText key && dictionary.ContainsKey(key),
        IReadOnlyList<object?> list => list.Any(item => JinjaValues.AreEqual(item, value)),
        _ => throw new JinjaException($"{JinjaValues.TypeName(container)} has no items"),
    };
}
