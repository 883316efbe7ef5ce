namespace Llama.Model.Chat.Jinja;

/// <summary>A part of a template that is run.</summary>
/// <param name="Line">Its line, from 1.</param>
internal abstract record JinjaNode(int Line);

/// <summary>Text outside of tags.</summary>
internal sealed record DataNode(JinjaText Text, int Line) : JinjaNode(Line);

/// <summary><c>{{ … }}</c>.</summary>
internal sealed record OutputNode(JinjaExpression Value, int Line) : JinjaNode(Line);

/// <summary><c>{% if %}</c> with its branches; a branch without a condition is <c>else</c>.</summary>
internal sealed record IfNode(IReadOnlyList<(JinjaExpression? Condition, IReadOnlyList<JinjaNode> Body)> Branches, int Line) : JinjaNode(Line);

/// <summary><c>{% for %}</c>.</summary>
internal sealed record ForNode(
    IReadOnlyList<string> Targets, JinjaExpression Items, JinjaExpression? Filter, IReadOnlyList<JinjaNode> Body, IReadOnlyList<JinjaNode> Otherwise, int Line)
    : JinjaNode(Line);

/// <summary><c>{% break %}</c> and <c>{% continue %}</c>.</summary>
internal sealed record LoopControlNode(bool Ends, int Line) : JinjaNode(Line);

/// <summary><c>{% set a = … %}</c>, of one or several names, or of a member of a namespace.</summary>
internal sealed record SetNode(IReadOnlyList<string> Targets, string? Member, JinjaExpression Value, int Line) : JinjaNode(Line);

/// <summary><c>{% set a %} … {% endset %}</c>, and <c>{% filter %}</c> where there is no target.</summary>
internal sealed record CaptureNode(string? Target, IReadOnlyList<FilterCall> Filters, IReadOnlyList<JinjaNode> Body, int Line) : JinjaNode(Line);

/// <summary><c>{% macro %}</c>.</summary>
internal sealed record MacroNode(string Name, IReadOnlyList<(string Name, JinjaExpression? Default)> Parameters, IReadOnlyList<JinjaNode> Body, int Line)
    : JinjaNode(Line);

/// <summary><c>{% call %}</c>: a macro that is called with a body.</summary>
internal sealed record CallNode(CallExpression Call, MacroNode Caller, int Line) : JinjaNode(Line);

/// <summary>A part with a scope of its own: <c>{% with %}</c> and transformers' <c>{% generation %}</c>.</summary>
internal sealed record ScopeNode(IReadOnlyList<(string Name, JinjaExpression Value)> Values, IReadOnlyList<JinjaNode> Body, int Line) : JinjaNode(Line);

/// <summary>An expression.</summary>
/// <param name="Line">Its line, from 1.</param>
internal abstract record JinjaExpression(int Line);

/// <summary>A value written down.</summary>
internal sealed record LiteralExpression(object? Value, int Line) : JinjaExpression(Line);

/// <summary>A variable.</summary>
internal sealed record NameExpression(string Name, int Line) : JinjaExpression(Line);

/// <summary>A list, or a tuple.</summary>
internal sealed record ListExpression(IReadOnlyList<JinjaExpression> Items, bool IsTuple, int Line) : JinjaExpression(Line);

/// <summary>A dictionary.</summary>
internal sealed record DictExpression(IReadOnlyList<(JinjaExpression Key, JinjaExpression Value)> Items, int Line) : JinjaExpression(Line);

/// <summary><c>a.name</c>.</summary>
internal sealed record MemberExpression(JinjaExpression Of, string Name, int Line) : JinjaExpression(Line);

/// <summary><c>a[b]</c>.</summary>
internal sealed record IndexExpression(JinjaExpression Of, JinjaExpression Index, int Line) : JinjaExpression(Line);

/// <summary><c>a[b:c:d]</c>.</summary>
internal sealed record SliceExpression(JinjaExpression Of, JinjaExpression? Start, JinjaExpression? Stop, JinjaExpression? Step, int Line)
    : JinjaExpression(Line);

/// <summary>What a call, a filter or a test is given.</summary>
internal sealed record JinjaArguments(IReadOnlyList<JinjaExpression> Values, IReadOnlyList<(string Name, JinjaExpression Value)> Named)
{
    /// <summary>Nothing.</summary>
    public static JinjaArguments None { get; } = new([], []);
}

/// <summary><c>a(…)</c>.</summary>
internal sealed record CallExpression(JinjaExpression Callee, JinjaArguments Arguments, int Line) : JinjaExpression(Line);

/// <summary>A filter's name and what it is given beside its value.</summary>
internal sealed record FilterCall(string Name, JinjaArguments Arguments, int Line);

/// <summary><c>a | filter</c>.</summary>
internal sealed record FilterExpression(JinjaExpression Value, FilterCall Filter, int Line) : JinjaExpression(Line);

/// <summary><c>a is test</c>.</summary>
internal sealed record TestExpression(JinjaExpression Value, string Name, JinjaArguments Arguments, bool Negated, int Line) : JinjaExpression(Line);

/// <summary><c>-a</c>, <c>+a</c>, <c>not a</c>.</summary>
internal sealed record UnaryExpression(string Operator, JinjaExpression Value, int Line) : JinjaExpression(Line);

/// <summary>Two values and an operator between.</summary>
internal sealed record BinaryExpression(string Operator, JinjaExpression Left, JinjaExpression Right, int Line) : JinjaExpression(Line);

/// <summary>A chain of comparisons, <c>a &lt; b &lt;= c</c>.</summary>
internal sealed record CompareExpression(JinjaExpression First, IReadOnlyList<(string Operator, JinjaExpression Value)> Rest, int Line) : JinjaExpression(Line);

/// <summary><c>a if b else c</c>.</summary>
internal sealed record ConditionalExpression(JinjaExpression Condition, JinjaExpression Then, JinjaExpression? Otherwise, int Line) : JinjaExpression(Line);
