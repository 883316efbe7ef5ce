using System.Text.Json;
using Llama.Model.Grammars.Expressions;
using Llama.Model.Grammars.Schemas;
using Llama.Model.Grammars.Text;

namespace Llama.Model.Grammars.Calls;

/// <summary>Makes the expression of a <see cref="CallGrammar"/>.</summary>
/// <param name="table">Makes the expressions.</param>
internal sealed class CallCompiler(ExprTable table)
{
    /// <summary>White space behind reasoning at most, so that no model goes on with blanks for ever.</summary>
    private const int MostBlanks = 8;

    private static readonly JsonElement AnyObject = JsonElement.Parse("""{"type":"object"}""");

    private readonly Expr text = table.Repeat(Utf8.One(table, CodePoints.All), 0);
    private readonly Expr blank = Utf8.One(table, CodePoints.Space);

    private Expr Blanks => table.Repeat(blank, 0);

    /// <summary>The texts of a grammar.</summary>
    /// <param name="grammar">The grammar.</param>
    /// <param name="instead">What <see cref="CallGrammar.Instead"/> says; null where it says nothing.</param>
    /// <exception cref="GrammarException">A schema of a function that is strict cannot be followed.</exception>
    public Expr Compile(CallGrammar grammar, Expr? instead)
    {
        Expr call = table.Alternatives([.. grammar.Calls.Select(Call)]);
        Expr calls = grammar.Between is { } between ? table.Sequence(call, table.Repeat(table.Sequence(table.Literal(between), call), 0)) : call;
        List<Expr> answers = [calls];
        if (instead is not null) answers.Add(instead);
        if (grammar.AllowsText)
        {
            Expr free = FreeText(grammar);
            answers.Add(free);
            if (!grammar.StartsBare) answers.Add(table.Sequence(free, calls));
        }

        Expr answer = table.Alternatives([.. answers]);
        return grammar.Reasoning is { } reasoning ? table.Sequence(Reasoning(reasoning), answer) : answer;
    }

    private Expr Call(CallRule rule) => table.Sequence(table.Literal(rule.Before), Arguments(rule), table.Literal(rule.After));

    private Expr Arguments(CallRule rule)
    {
        try
        {
            return SchemaCompiler.Compile(table, rule.Schema);
        }
        catch (GrammarException) when (!rule.IsStrict)
        {
            return SchemaCompiler.Compile(table, AnyObject);
        }
        catch (GrammarException exception)
        {
            throw new GrammarException($"the parameters of '{rule.Name}': {exception.Message}", exception.IsTemporary);
        }
    }

    private Expr FreeText(CallGrammar grammar)
    {
        List<Expr> calls = [.. grammar.Openings.Select(Holding)];
        if (grammar.StartsBare) calls.Add(table.Sequence(Blanks, table.Byte((byte)'{'), table.Anything));
        if (grammar.Reasoning is { } reasoning) calls.Add(table.Sequence(Blanks, table.Literal(reasoning.Begin), table.Anything));
        return Without(calls);
    }

    private Expr Reasoning(ReasoningRule rule)
    {
        Expr rest = table.Sequence(Without([Holding(rule.End)]), table.Literal(rule.End), table.Repeat(blank, 0, MostBlanks));
        return rule.IsOpen ? rest : table.Optional(table.Sequence(table.Repeat(blank, 0, MostBlanks), table.Literal(rule.Begin), rest));
    }

    private Expr Holding(string part) => table.Sequence(table.Anything, table.Literal(part), table.Anything);

    private Expr Without(List<Expr> parts) => table.Lexeme(table.And(text, table.Not(table.Alternatives([.. parts]))));
}
