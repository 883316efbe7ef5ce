using System.Globalization;

namespace Llama.Model.Chat.Jinja;

/// <summary>Reads expressions with Jinja's precedence: filters and tests bind tighter than any operator.</summary>
internal sealed class JinjaExpressionParser(JinjaTokens tokens)
{
    private static readonly string[] Comparisons = ["==", "!=", "<", "<=", ">", ">="];
    private static readonly string[] NoTestArgument = ["else", "or", "and", "is", "if", "in", "not", "recursive"];
    private int depth;

    /// <summary>An expression, or several with commas between, which are a list.</summary>
    /// <param name="withCondition">Whether it may be <c>a if b else c</c>.</param>
    public JinjaExpression ParseTuple(bool withCondition = true)
    {
        JinjaExpression first = withCondition ? Parse() : ParseOr();
        if (tokens.Current is not { Kind: JinjaTokenKind.Operator, Text: "," }) return first;
        List<JinjaExpression> items = [first];
        while (tokens.Skip(","))
        {
            if (tokens.Current.Kind is JinjaTokenKind.ExpressionEnd or JinjaTokenKind.StatementEnd || tokens.Current.Text is ")" or "=") break;
            items.Add(withCondition ? Parse() : ParseOr());
        }

        return new ListExpression(items, IsTuple: true, first.Line);
    }

    /// <summary>An expression.</summary>
    public JinjaExpression Parse()
    {
        if (++depth > JinjaLimits.Nesting) throw new JinjaException("expressions are nested too deep", tokens.Current.Line);
        JinjaExpression value = ParseOr();
        while (tokens.SkipName("if"))
        {
            JinjaExpression condition = ParseOr();
            value = new ConditionalExpression(condition, value, tokens.SkipName("else") ? Parse() : null, value.Line);
        }

        depth--;
        return value;
    }

    /// <summary>A filter's name and arguments, behind <c>|</c>.</summary>
    public FilterCall ParseFilter()
    {
        JinjaToken name = tokens.Expect(JinjaTokenKind.Name, "the name of a filter");
        if (!JinjaFilters.Knows(name.Text)) throw new JinjaException($"found the filter '{name.Text}', which is not supported", name.Line);
        return new FilterCall(name.Text, tokens.Skip("(") ? ParseArguments() : JinjaArguments.None, name.Line);
    }

    private JinjaExpression ParseOr()
    {
        JinjaExpression left = ParseAnd();
        while (tokens.SkipName("or")) left = new BinaryExpression("or", left, ParseAnd(), left.Line);
        return left;
    }

    private JinjaExpression ParseAnd()
    {
        JinjaExpression left = ParseNot();
        while (tokens.SkipName("and")) left = new BinaryExpression("and", left, ParseNot(), left.Line);
        return left;
    }

    private JinjaExpression ParseNot()
    {
        int line = tokens.Current.Line, count = 0;
        while (tokens.SkipName("not")) count++;
        JinjaExpression value = ParseCompare();
        for (; count > 0; count--) value = new UnaryExpression("not", value, line);
        return value;
    }

    private JinjaExpression ParseCompare()
    {
        JinjaExpression first = ParseSum();
        var rest = new List<(string, JinjaExpression)>();
        while (true)
        {
            if (tokens.Current.Kind == JinjaTokenKind.Operator && Comparisons.Contains(tokens.Current.Text))
                rest.Add((tokens.Take().Text, ParseSum()));
            else if (tokens.SkipName("in"))
                rest.Add(("in", ParseSum()));
            else if (tokens.IsName("not") && tokens.Following.Text == "in" && tokens.SkipName("not") && tokens.SkipName("in"))
                rest.Add(("not in", ParseSum()));
            else
                return rest.Count == 0 ? first : new CompareExpression(first, rest, first.Line);
        }
    }

    private JinjaExpression ParseSum() => ParseLeft(() => ParseLeft(() => ParseLeft(ParsePower, "*", "/", "//", "%"), "~"), "+", "-");

    private JinjaExpression ParseLeft(Func<JinjaExpression> part, params string[] symbols)
    {
        JinjaExpression left = part();
        while (tokens.Current.Kind == JinjaTokenKind.Operator && symbols.Contains(tokens.Current.Text))
        {
            string symbol = tokens.Take().Text;
            left = new BinaryExpression(symbol, left, part(), left.Line);
        }

        return left;
    }

    private JinjaExpression ParsePower()
    {
        JinjaExpression left = ParseUnary(withFilters: true);
        while (tokens.Skip("**")) left = new BinaryExpression("**", left, ParseUnary(withFilters: true), left.Line);
        return left;
    }

    private JinjaExpression ParseUnary(bool withFilters)
    {
        JinjaToken token = tokens.Current;
        JinjaExpression value;
        if (token is { Kind: JinjaTokenKind.Operator, Text: "-" or "+" })
        {
            if (++depth > JinjaLimits.Nesting) throw new JinjaException("expressions are nested too deep", token.Line);
            tokens.Take();
            value = new UnaryExpression(token.Text, ParseUnary(withFilters: false), token.Line);
            depth--;
        }
        else
        {
            value = ParsePostfix(ParsePrimary());
        }

        return withFilters ? ParseFilters(value) : value;
    }

    private JinjaExpression ParseFilters(JinjaExpression value)
    {
        while (true)
        {
            if (tokens.Skip("|")) value = new FilterExpression(value, ParseFilter(), value.Line);
            else if (tokens.IsName("is")) value = ParseTest(value);
            else if (tokens.Skip("(")) value = new CallExpression(value, ParseArguments(), value.Line);
            else return value;
        }
    }

    private TestExpression ParseTest(JinjaExpression value)
    {
        tokens.Take();
        bool negated = tokens.SkipName("not");
        JinjaToken name = tokens.Expect(JinjaTokenKind.Name, "the name of a test");
        if (!JinjaTests.Knows(name.Text)) throw new JinjaException($"found the test '{name.Text}', which is not supported", name.Line);
        JinjaArguments arguments = JinjaArguments.None;
        if (tokens.Skip("("))
        {
            arguments = ParseArguments();
        }
        else if (tokens.Current.Kind is JinjaTokenKind.Text or JinjaTokenKind.Number
            || (tokens.Current.Kind == JinjaTokenKind.Name && !NoTestArgument.Contains(tokens.Current.Text))
            || tokens.Current is { Kind: JinjaTokenKind.Operator, Text: "[" or "{" })
        {
            arguments = new JinjaArguments([ParsePostfix(ParsePrimary())], []);
        }

        return new TestExpression(value, name.Text, arguments, negated, name.Line);
    }

    private JinjaExpression ParsePostfix(JinjaExpression value)
    {
        while (true)
        {
            int line = tokens.Current.Line;
            if (tokens.Skip("."))
            {
                JinjaToken member = tokens.Take();
                value = member.Kind switch
                {
                    JinjaTokenKind.Name => new MemberExpression(value, member.Text, line),
                    JinjaTokenKind.Number when long.TryParse(member.Text, out long index) => new IndexExpression(value, new LiteralExpression(index, line), line),
                    _ => throw new JinjaException($"found '{member.Text}', expected the name of a member", line),
                };
            }
            else if (tokens.Skip("["))
            {
                value = ParseIndex(value, line);
            }
            else if (tokens.Skip("("))
            {
                value = new CallExpression(value, ParseArguments(), line);
            }
            else
            {
                return value;
            }
        }
    }

    private JinjaExpression ParseIndex(JinjaExpression value, int line)
    {
        JinjaExpression? Part() => tokens.Current is { Kind: JinjaTokenKind.Operator, Text: ":" or "]" } ? null : Parse();
        JinjaExpression? start = Part();
        if (!tokens.Skip(":"))
        {
            tokens.ExpectOperator("]");
            return new IndexExpression(value, start ?? throw new JinjaException("found [], expected an index", line), line);
        }

        JinjaExpression? stop = Part();
        JinjaExpression? step = tokens.Skip(":") ? Part() : null;
        tokens.ExpectOperator("]");
        return new SliceExpression(value, start, stop, step, line);
    }

    private JinjaArguments ParseArguments()
    {
        var values = new List<JinjaExpression>();
        var named = new List<(string, JinjaExpression)>();
        while (!tokens.Skip(")"))
        {
            if (tokens.Current.Kind == JinjaTokenKind.Name && tokens.Following is { Kind: JinjaTokenKind.Operator, Text: "=" })
            {
                string name = tokens.Take().Text;
                tokens.Take();
                named.Add((name, Parse()));
            }
            else
            {
                values.Add(Parse());
            }

            if (tokens.Current.Text != ")") tokens.ExpectOperator(",");
        }

        return new JinjaArguments(values, named);
    }

    private JinjaExpression ParsePrimary()
    {
        JinjaToken token = tokens.Take();
        int line = token.Line;
        switch (token.Kind)
        {
            case JinjaTokenKind.Text:
                string text = token.Text;
                while (tokens.Current.Kind == JinjaTokenKind.Text) text += tokens.Take().Text;
                return new LiteralExpression(JinjaText.OfTemplate(text), line);
            case JinjaTokenKind.Number:
                if (long.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out long whole)) return new LiteralExpression(whole, line);
                return double.TryParse(token.Text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out double number)
                    ? new LiteralExpression(number, line)
                    : throw new JinjaException($"found the number {token.Text}, which is too large", line);
            case JinjaTokenKind.Name:
                return token.Text switch
                {
                    "true" or "True" => new LiteralExpression(true, line),
                    "false" or "False" => new LiteralExpression(false, line),
                    "none" or "None" => new LiteralExpression(null, line),
                    _ => new NameExpression(token.Text, line),
                };
            case JinjaTokenKind.Operator when token.Text == "(":
                if (tokens.Skip(")")) return new ListExpression([], IsTuple: true, line);
                JinjaExpression inner = ParseTuple();
                tokens.ExpectOperator(")");
                return inner;
            case JinjaTokenKind.Operator when token.Text == "[":
                return new ListExpression(ParseItems("]", Parse), IsTuple: false, line);
            case JinjaTokenKind.Operator when token.Text == "{":
                return new DictExpression(ParseItems("}", ParsePair), line);
            default:
                throw new JinjaException($"found '{token.Text}', expected an expression", line);
        }
    }

    private (JinjaExpression Key, JinjaExpression Value) ParsePair()
    {
        JinjaExpression key = Parse();
        tokens.ExpectOperator(":");
        return (key, Parse());
    }

    private List<T> ParseItems<T>(string close, Func<T> parse)
    {
        var items = new List<T>();
        while (!tokens.Skip(close))
        {
            items.Add(parse());
            if (tokens.Current.Text != close) tokens.ExpectOperator(",");
        }

        return items;
    }
}
