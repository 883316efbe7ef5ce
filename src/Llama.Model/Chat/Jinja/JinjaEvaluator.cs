using System.Runtime.CompilerServices;

namespace Llama.Model.Chat.Jinja;

/// <summary>Computes expressions as Python would.</summary>
internal sealed class JinjaEvaluator(JinjaScope scope)
{
    private long steps;
    private long characters;

    /// <summary>Where variables are looked up.</summary>
    public JinjaScope Scope { get; set; } = scope;

    /// <summary>Counts a step.</summary>
    /// <exception cref="JinjaException">There were too many.</exception>
    public void Step(long count = 1)
    {
        if ((steps += count) > JinjaLimits.Steps) throw new JinjaException("the template takes too many steps");
    }

    /// <summary>Counts characters of the output.</summary>
    /// <exception cref="JinjaException">There were too many.</exception>
    public void CountCharacters(int count)
    {
        if ((characters += count) > JinjaLimits.Characters) throw new JinjaException("the template writes too much");
    }

    /// <summary>The value of an expression.</summary>
    /// <exception cref="JinjaException">It has none.</exception>
    public object? Evaluate(JinjaExpression expression)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        Step();
        object? value = expression switch
        {
            LiteralExpression literal => literal.Value,
            NameExpression name => Scope.Get(name.Name),
            ListExpression { IsTuple: true } tuple => new JinjaTuple([.. tuple.Items.Select(Evaluate)]),
            ListExpression list => list.Items.Select(Evaluate).ToArray(),
            DictExpression dictionary => JinjaValues.Dictionary(dictionary.Items.Select(item => (Key(Evaluate(item.Key)), Evaluate(item.Value)))),
            MemberExpression member => Member(Evaluate(member.Of), member.Name),
            IndexExpression index => Index(Evaluate(index.Of), Evaluate(index.Index)),
            SliceExpression slice => Slice(slice),
            CallExpression call => Call(call),
            FilterExpression filter => Filter(Evaluate(filter.Value), filter.Filter),
            TestExpression test => Test(test),
            UnaryExpression unary => Unary(unary.Operator, Evaluate(unary.Value)),
            BinaryExpression { Operator: "and" } both => Evaluate(both.Left) is var left && JinjaValues.IsTrue(left) ? Evaluate(both.Right) : left,
            BinaryExpression { Operator: "or" } either => Evaluate(either.Left) is var left && JinjaValues.IsTrue(left) ? left : Evaluate(either.Right),
            BinaryExpression binary => JinjaArithmetic.Compute(binary.Operator, Evaluate(binary.Left), Evaluate(binary.Right)),
            CompareExpression compare => Compare(compare),
            ConditionalExpression choice => JinjaValues.IsTrue(Evaluate(choice.Condition)) ? Evaluate(choice.Then)
                : choice.Otherwise is { } otherwise ? Evaluate(otherwise) : new JinjaUndefined("if"),
            _ => throw new JinjaException("found an expression that is not supported", expression.Line),
        };
        Step(value switch { JinjaText text => text.Length >> 8, IReadOnlyList<object?> list => list.Count >> 2, _ => 0 });
        return value;
    }

    /// <summary>Runs a filter on a value.</summary>
    public object? Filter(object? value, FilterCall filter)
    {
        (object?[] values, Dictionary<string, object?> named) = Arguments(filter.Arguments);
        if (value is IReadOnlyList<object?> list) Step(list.Count);
        return JinjaFilters.Run(value, new JinjaCall(filter.Name, values, named));
    }

    private static JinjaText Key(object? key) => key as JinjaText ?? throw new JinjaException($"{JinjaValues.TypeName(key)} is no key, expected a text");

    private static object? Member(object? of, string name) => of switch
    {
        JinjaUndefined undefined => throw new JinjaException($"'{undefined.Name}' is undefined"),
        JinjaNamespace space => space.Members.TryGetValue(name, out object? value) ? value : new JinjaUndefined(name),
        JinjaLoop loop => loop.Member(name),
        _ => JinjaMethods.Find(of, name)
            ?? (of is OrderedDictionary<JinjaText, object?> mapping && mapping.TryGetValue(JinjaText.OfTemplate(name), out object? member)
                ? member
                : new JinjaUndefined(name)),
    };

    private static object? Index(object? of, object? index)
    {
        switch (of, index)
        {
            case (JinjaUndefined undefined, _):
                throw new JinjaException($"'{undefined.Name}' is undefined");
            case (OrderedDictionary<JinjaText, object?> mapping, JinjaText key) when mapping.TryGetValue(key, out object? value):
                return value;
            case (JinjaText text, long at):
                List<JinjaText> characters = [.. JinjaValues.Characters(text)];
                return Place(at, characters.Count) is { } place ? characters[place] : new JinjaUndefined("index");
            case (IReadOnlyList<object?> list, long at):
                return Place(at, list.Count) is { } item ? list[item] : new JinjaUndefined("index");
            case (_, JinjaText name):
                return Member(of, name.Value);
            default:
                return new JinjaUndefined(JinjaValues.ToText(index).Value);
        }
    }

    private static int? Place(long index, int count) => index < 0 ? index + count >= 0 ? (int)(index + count) : null : index < count ? (int)index : null;

    private object? Slice(SliceExpression slice)
    {
        object? of = Evaluate(slice.Of);

        // Places count characters; a text without surrogates need not be taken apart for that.
        var units = of is JinjaText text && !text.Value.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF') ? text : null;
        IReadOnlyList<object?> items = units is null ? JinjaValues.Items(of) : [];
        int length = units?.Length ?? items.Count;
        long step = Bound(slice.Step) ?? 1;
        if (step == 0) throw new JinjaException("a slice has the step 0");
        long least = step > 0 ? 0 : -1, most = step > 0 ? length : length - 1;
        long start = Clamp(Bound(slice.Start), step > 0 ? 0 : length - 1), stop = Clamp(Bound(slice.Stop), step > 0 ? length : -1);
        if (units is not null && step == 1) return units.Slice((int)start, (int)Math.Max(0, stop - start));
        if (units is not null) items = JinjaValues.Items(units);
        var taken = new List<object?>();
        for (long at = start; step > 0 ? at < stop : at > stop; at += step) taken.Add(items[(int)at]);
        return of is JinjaText whole ? whole.Kept(taken.Cast<JinjaText>()) : taken.ToArray();

        long Clamp(long? bound, long missing) => bound is not { } given ? missing : Math.Clamp(given < 0 ? given + length : given, least, most);
    }

    private long? Bound(JinjaExpression? expression) => expression is null ? null : Evaluate(expression) switch
    {
        null => null,
        long number => Math.Clamp(number, int.MinValue, int.MaxValue),
        var other => throw new JinjaException($"{JinjaValues.TypeName(other)} is no place of a slice"),
    };

    private object? Call(CallExpression call)
    {
        object? callee = Evaluate(call.Callee);
        (object?[] values, Dictionary<string, object?> named) = Arguments(call.Arguments);
        return callee is JinjaFunction function ? function.Call(values, named)
            : throw new JinjaException($"{JinjaValues.TypeName(callee)} cannot be called", call.Line);
    }

    private (object?[] Values, Dictionary<string, object?> Named) Arguments(JinjaArguments arguments)
    {
        var named = new Dictionary<string, object?>(StringComparer.Ordinal);
        object?[] values = [.. arguments.Values.Select(Evaluate)];
        foreach ((string name, JinjaExpression value) in arguments.Named) named[name] = Evaluate(value);
        return (values, named);
    }

    private bool Test(TestExpression test)
    {
        object? value = Evaluate(test.Value);
        object? argument = test.Arguments.Values.Count > 0 ? Evaluate(test.Arguments.Values[0]) : null;
        return JinjaTests.Run(test.Name, value, argument) != test.Negated;
    }

    private static object? Unary(string symbol, object? value) => (symbol, value) switch
    {
        ("not", _) => !JinjaValues.IsTrue(value),
        ("-", long whole) => -whole,
        ("+", long whole) => whole,
        ("-", double number) => -number,
        ("+", double number) => number,
        _ => throw new JinjaException($"{symbol} does not take {JinjaValues.TypeName(value)}"),
    };

    private bool Compare(CompareExpression compare)
    {
        object? left = Evaluate(compare.First);
        foreach ((string symbol, JinjaExpression expression) in compare.Rest)
        {
            object? right = Evaluate(expression);
            bool holds = symbol switch
            {
                "==" => JinjaValues.AreEqual(left, right),
                "!=" => !JinjaValues.AreEqual(left, right),
                "in" => JinjaTests.Contains(right, left),
                "not in" => !JinjaTests.Contains(right, left),
                _ => JinjaTests.Run(symbol, left, right),
            };
            if (!holds) return false;
            left = right;
        }

        return true;
    }
}
