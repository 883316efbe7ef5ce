namespace Llama.Model.Chat.Jinja;

/// <summary>Operators between two values, as Python has them.</summary>
internal static class JinjaArithmetic
{
    /// <summary>The result of an operator.</summary>
    /// <exception cref="JinjaException">It does not take these values, or the result is too large.</exception>
    public static object? Compute(string symbol, object? left, object? right)
    {
        switch (symbol, left, right)
        {
            case ("~", _, _):
                return Join(JinjaValues.ToText(left), JinjaValues.ToText(right));
            case ("+", JinjaText one, JinjaText other):
                return Join(one, other);
            case ("+", IReadOnlyList<object?> one, IReadOnlyList<object?> other):
                return Check<object?[]>([.. one, .. other]);
            case ("*", JinjaText text, long times):
                return Repeat(text, times);
            case ("*", long times, JinjaText text):
                return Repeat(text, times);
        }

        if ((left as JinjaUndefined ?? right as JinjaUndefined) is { } undefined) throw new JinjaException($"'{undefined.Name}' is undefined");

        try
        {
            if (Whole(left) is { } first && Whole(right) is { } second && symbol is not "/") return Compute(symbol, first, second);
        }
        catch (ArithmeticException exception)
        {
            throw new JinjaException($"{symbol}: {exception.Message}");
        }

        if (JinjaValues.Number(left) is { } a && JinjaValues.Number(right) is { } b)
        {
            if (b == 0 && symbol is "/" or "//" or "%" && b == 0) throw new JinjaException($"{symbol}: division by zero");
            return symbol switch
            {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                "/" => a / b,
                "//" => Math.Floor(a / b),
                "%" => a - (b * Math.Floor(a / b)),
                _ => Math.Pow(a, b),
            };
        }

        throw new JinjaException($"{symbol} does not take {JinjaValues.TypeName(left)} and {JinjaValues.TypeName(right)}");
    }

    private static long? Whole(object? value) => value switch
    {
        long number => number,
        bool truth => truth ? 1 : 0,
        _ => null,
    };

    private static object Compute(string symbol, long left, long right)
    {
        switch (symbol)
        {
            case "+": return checked(left + right);
            case "-": return checked(left - right);
            case "*": return checked(left * right);
            case "//": return (left / right) - (left % right != 0 && (left < 0) != (right < 0) ? 1 : 0);
            case "%": return left % right is var rest && rest != 0 && (rest < 0) != (right < 0) ? rest + right : rest;
            default:
                if (right < 0) return Math.Pow(left, right);
                long power = 1;
                for (long i = 0; i < right; i++)
                {
                    power = checked(power * left);
                    if (power is 0 or 1 && left is 0 or 1) break;
                }

                return power;
        }
    }

    private static JinjaText Join(JinjaText left, JinjaText right) => (long)left.Length + right.Length <= JinjaLimits.Characters
        ? left.Plus(right)
        : throw new JinjaException("a text becomes too long");

    private static JinjaText Repeat(JinjaText text, long times)
    {
        if (times <= 0 || text.Length == 0) return JinjaText.Empty;
        if (times > JinjaLimits.Characters / text.Length) throw new JinjaException("a text becomes too long");
        JinjaText repeated = JinjaText.Concat([.. Enumerable.Repeat(text, (int)times)]);
        return text.IsSafe ? repeated.AsSafe() : repeated;
    }

    private static T Check<T>(T list)
        where T : IReadOnlyList<object?> => list.Count <= JinjaLimits.Characters ? list : throw new JinjaException("a list becomes too long");
}
