namespace Llama.Model.Chat.Jinja;

/// <summary>Variables, and those around them.</summary>
internal sealed class JinjaScope(JinjaScope? outer)
{
    private readonly Dictionary<string, object?> values = new(StringComparer.Ordinal);

    /// <summary>Sets a variable here.</summary>
    public void Set(string name, object? value) => values[name] = value;

    /// <summary>A variable from here outwards.</summary>
    public object? Get(string name)
    {
        for (JinjaScope? scope = this; scope is not null; scope = scope.Outer)
        {
            if (scope.values.TryGetValue(name, out object? value)) return value;
        }

        return new JinjaUndefined(name);
    }

    private JinjaScope? Outer => outer;
}

/// <summary>What <c>loop</c> is within a loop.</summary>
internal sealed class JinjaLoop(IReadOnlyList<object?> items)
{
    /// <summary>The current item's number, from 0.</summary>
    public int Index { get; set; }

    /// <summary>A member, or null where it has none of this name.</summary>
    public object? Member(string name) => name switch
    {
        "index" => (long)Index + 1,
        "index0" => (long)Index,
        "revindex" => (long)items.Count - Index,
        "revindex0" => (long)items.Count - Index - 1,
        "first" => Index == 0,
        "last" => Index == items.Count - 1,
        "length" => (long)items.Count,
        "previtem" => Index > 0 ? items[Index - 1] : new JinjaUndefined("loop.previtem"),
        "nextitem" => Index + 1 < items.Count ? items[Index + 1] : new JinjaUndefined("loop.nextitem"),
        "cycle" => new JinjaFunction("cycle", (values, _) => values.Count > 0 ? values[Index % values.Count] : throw new JinjaException("cycle: nothing to choose from")),
        _ => new JinjaUndefined($"loop.{name}"),
    };
}
