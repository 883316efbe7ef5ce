namespace Llama.Model.Chat.Jinja;

/// <summary>Reads the statements of a template; <see cref="JinjaExpressionParser"/> reads its expressions.</summary>
internal sealed class JinjaParser
{
    private readonly JinjaTokens tokens;
    private readonly JinjaExpressionParser expressions;
    private int depth;

    private JinjaParser(List<JinjaToken> tokens)
    {
        this.tokens = new JinjaTokens(tokens);
        expressions = new JinjaExpressionParser(this.tokens);
    }

    /// <summary>Reads a template.</summary>
    /// <exception cref="JinjaException">It is malformed, or uses what is not supported.</exception>
    public static IReadOnlyList<JinjaNode> Parse(string source)
    {
        var parser = new JinjaParser(JinjaLexer.Read(source));
        List<JinjaNode> nodes = parser.ParseBody([]);
        if (parser.tokens.Current.Kind != JinjaTokenKind.End) throw parser.tokens.Unexpected("the end of the template");
        return nodes;
    }

    // Up to a tag that ends the body, whose name is left to be read.
    private List<JinjaNode> ParseBody(string[] ends)
    {
        if (++depth > JinjaLimits.Nesting) throw new JinjaException("statements are nested too deep", tokens.Current.Line);
        var nodes = new List<JinjaNode>();
        while (true)
        {
            JinjaToken token = tokens.Current;
            switch (token.Kind)
            {
                case JinjaTokenKind.Data:
                    nodes.Add(new DataNode(JinjaText.OfTemplate(tokens.Take().Text), token.Line));
                    break;
                case JinjaTokenKind.ExpressionBegin:
                    tokens.Take();
                    nodes.Add(new OutputNode(expressions.ParseTuple(), token.Line));
                    tokens.Expect(JinjaTokenKind.ExpressionEnd, "}}");
                    break;
                case JinjaTokenKind.StatementBegin:
                    tokens.Take();
                    if (ends.Contains(tokens.Current.Text))
                    {
                        depth--;
                        return nodes;
                    }

                    nodes.Add(ParseStatement());
                    break;
                default:
                    if (ends.Length > 0) throw tokens.Unexpected($"{{% {string.Join(" %} or {% ", ends)} %}}");
                    depth--;
                    return nodes;
            }
        }
    }

    private JinjaNode ParseStatement()
    {
        JinjaToken name = tokens.Expect(JinjaTokenKind.Name, "the name of a statement");
        switch (name.Text)
        {
            case "if": return ParseIf(name.Line);
            case "for": return ParseFor(name.Line);
            case "set": return ParseSet(name.Line);
            case "macro": return ParseMacro(name.Line);
            case "call": return ParseCall(name.Line);
            case "filter": return ParseFilter(name.Line);
            case "with": return ParseWith(name.Line);
            case "generation":
                tokens.EndStatement();
                return new ScopeNode([], ParseToEnd("endgeneration"), name.Line);
            case "break" or "continue":
                tokens.EndStatement();
                return new LoopControlNode(name.Text == "break", name.Line);
            default:
                throw new JinjaException($"found the statement '{name.Text}', which is not supported", name.Line);
        }
    }

    private List<JinjaNode> ParseToEnd(string end)
    {
        List<JinjaNode> body = ParseBody([end]);
        tokens.Take();
        tokens.EndStatement();
        return body;
    }

    private IfNode ParseIf(int line)
    {
        var branches = new List<(JinjaExpression?, IReadOnlyList<JinjaNode>)>();
        JinjaExpression? condition = expressions.ParseTuple();
        while (true)
        {
            tokens.EndStatement();
            branches.Add((condition, ParseBody(condition is null ? ["endif"] : ["elif", "else", "endif"])));
            string next = tokens.Take().Text;
            if (next == "endif") break;
            condition = next == "elif" ? expressions.ParseTuple() : null;
        }

        tokens.EndStatement();
        return new IfNode(branches, line);
    }

    private ForNode ParseFor(int line)
    {
        List<string> targets = ParseTargets();
        tokens.ExpectName("in");
        JinjaExpression items = expressions.ParseTuple(withCondition: false);
        JinjaExpression? filter = tokens.SkipName("if") ? expressions.Parse() : null;
        if (tokens.Current.Text == "recursive") throw new JinjaException("found a recursive loop, which is not supported", line);
        tokens.EndStatement();
        List<JinjaNode> body = ParseBody(["else", "endfor"]), otherwise = [];
        if (tokens.Take().Text == "else")
        {
            tokens.EndStatement();
            otherwise = ParseBody(["endfor"]);
            tokens.Take();
        }

        tokens.EndStatement();
        return new ForNode(targets, items, filter, body, otherwise, line);
    }

    private List<string> ParseTargets()
    {
        bool bracketed = tokens.Skip("(");
        List<string> targets = [];
        do
        {
            if (targets.Count > 0 && tokens.Current.Kind != JinjaTokenKind.Name) break;
            targets.Add(tokens.Expect(JinjaTokenKind.Name, "a name").Text);
        }
        while (tokens.Skip(","));
        if (bracketed) tokens.ExpectOperator(")");
        return targets;
    }

    private JinjaNode ParseSet(int line)
    {
        List<string> targets = ParseTargets();
        string? member = null;
        if (tokens.Skip(".")) member = tokens.Expect(JinjaTokenKind.Name, "the name of a member").Text;
        if (tokens.Skip("="))
        {
            JinjaExpression value = expressions.ParseTuple();
            tokens.EndStatement();
            return new SetNode(targets, member, value, line);
        }

        if (targets.Count > 1 || member is not null) throw tokens.Unexpected("=");
        List<FilterCall> filters = ParseFilters();
        tokens.EndStatement();
        return new CaptureNode(targets[0], filters, ParseToEnd("endset"), line);
    }

    private List<FilterCall> ParseFilters()
    {
        var filters = new List<FilterCall>();
        while (tokens.Skip("|")) filters.Add(expressions.ParseFilter());
        return filters;
    }

    private CaptureNode ParseFilter(int line)
    {
        List<FilterCall> filters = [expressions.ParseFilter(), .. ParseFilters()];
        tokens.EndStatement();
        return new CaptureNode(null, filters, ParseToEnd("endfilter"), line);
    }

    private ScopeNode ParseWith(int line)
    {
        var values = new List<(string, JinjaExpression)>();
        while (tokens.Current.Kind == JinjaTokenKind.Name)
        {
            string name = tokens.Take().Text;
            tokens.ExpectOperator("=");
            values.Add((name, expressions.Parse()));
            if (!tokens.Skip(",")) break;
        }

        tokens.EndStatement();
        return new ScopeNode(values, ParseToEnd("endwith"), line);
    }

    private MacroNode ParseMacro(int line)
    {
        string name = tokens.Expect(JinjaTokenKind.Name, "the name of a macro").Text;
        List<(string, JinjaExpression?)> parameters = ParseParameters();
        tokens.EndStatement();
        return new MacroNode(name, parameters, ParseToEnd("endmacro"), line);
    }

    private CallNode ParseCall(int line)
    {
        List<(string, JinjaExpression?)> parameters = tokens.Current.Text == "(" ? ParseParameters() : [];
        CallExpression call = expressions.Parse() as CallExpression ?? throw new JinjaException("found no call, expected one", line);
        tokens.EndStatement();
        return new CallNode(call, new MacroNode("caller", parameters, ParseToEnd("endcall"), line), line);
    }

    private List<(string Name, JinjaExpression? Default)> ParseParameters()
    {
        var parameters = new List<(string, JinjaExpression?)>();
        tokens.ExpectOperator("(");
        while (!tokens.Skip(")"))
        {
            string name = tokens.Expect(JinjaTokenKind.Name, "the name of a parameter").Text;
            parameters.Add((name, tokens.Skip("=") ? expressions.Parse() : null));
            if (tokens.Current.Text != ")") tokens.ExpectOperator(",");
        }

        return parameters;
    }
}
