namespace Llama.Model.Chat.Jinja;

/// <summary>What a filter or a method is given.</summary>
/// <param name="name">The filter's or method's name, for messages.</param>
/// <param name="values">Values by place.</param>
/// <param name="named">Values by name.</param>
internal sealed class JinjaCall(string name, IReadOnlyList<object?> values, IReadOnlyDictionary<string, object?> named)
{
    /// <summary>The filter's or method's name.</summary>
    public string Name => name;

    /// <summary>Values by place.</summary>
    public IReadOnlyList<object?> Values => values;

    /// <summary>Whether a parameter is given.</summary>
    public bool Has(int place, string parameter) => place < values.Count || named.ContainsKey(parameter);

    /// <summary>A parameter, by place or by name; null where it is not given.</summary>
    public object? Value(int place, string parameter) => place < values.Count ? values[place] : named.GetValueOrDefault(parameter);

    /// <summary>A parameter that must be a text where it is given.</summary>
    public JinjaText? Text(int place, string parameter) => Value(place, parameter) switch
    {
        null => null,
        JinjaText text => text,
        var other => throw new JinjaException($"{name}: {parameter} is {JinjaValues.TypeName(other)}, expected a text"),
    };

    /// <summary>A parameter that must be a text.</summary>
    public JinjaText RequiredText(int place, string parameter) =>
        Text(place, parameter) ?? throw new JinjaException($"{name}: {parameter} is missing, expected a text");

    /// <summary>A parameter that must be a whole number where it is given.</summary>
    public int? Whole(int place, string parameter) => Value(place, parameter) switch
    {
        null => null,
        bool truth => truth ? 1 : 0,
        long number when number is >= int.MinValue and <= int.MaxValue => (int)number,
        var other => throw new JinjaException($"{name}: {parameter} is {JinjaValues.TypeName(other)}, expected a whole number"),
    };

    /// <summary>Whether a parameter counts as true.</summary>
    public bool Flag(int place, string parameter, bool missing = false) => Has(place, parameter) ? JinjaValues.IsTrue(Value(place, parameter)) : missing;
}
