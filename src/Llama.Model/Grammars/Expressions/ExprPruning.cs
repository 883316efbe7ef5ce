namespace Llama.Model.Grammars.Expressions;

/// <summary>Leaves out of a grammar what can never come to an end, so that who follows it never gets stuck.</summary>
/// <param name="table">The grammar's expressions.</param>
/// <param name="rules">Its rules.</param>
internal sealed class ExprPruning(ExprTable table, IReadOnlyList<Expr> rules)
{
    private readonly HashSet<Expr> finite = [];
    private readonly Dictionary<Expr, Expr> pruned = [];
    private readonly Dictionary<Expr, bool> found = [];

    /// <summary>Prunes.</summary>
    /// <param name="start">Where the grammar starts.</param>
    /// <returns>An expression for the same texts.</returns>
    /// <exception cref="GrammarException">A rule begins with itself.</exception>
    public Expr Prune(Expr start)
    {
        for (int before = -1; before != finite.Count;)
        {
            before = finite.Count;
            found.Clear();
            foreach (Expr rule in rules)
            {
                if (!finite.Contains(rule) && IsFinite(rule.Body!)) finite.Add(rule);
            }
        }

        found.Clear();
        foreach (Expr rule in rules)
        {
            if (finite.Contains(rule)) rule.Body = Rebuild(rule.Body!);
        }

        ThrowIfLeftRecursive();
        return Rebuild(start);
    }

    /// <summary>Whether an expression has a text, as far as is known of the rules.</summary>
    private bool IsFinite(Expr expr)
    {
        if (found.TryGetValue(expr, out bool known)) return known;
        ExprTable.ThrowIfTooDeep();
        bool isFinite = expr.Kind switch
        {
            ExprKind.Nothing => false,
            ExprKind.Sequence => IsFinite(expr.First) && IsFinite(expr.Second),
            ExprKind.Alternatives => Array.Exists(expr.Parts, IsFinite),
            ExprKind.Repeat => expr.Least == 0 || IsFinite(expr.First),
            ExprKind.Rule => finite.Contains(expr),
            ExprKind.Lexeme => table.IsLive(expr.First),
            _ => true,
        };
        found.Add(expr, isFinite);
        return isFinite;
    }

    private Expr Rebuild(Expr expr)
    {
        if (pruned.TryGetValue(expr, out Expr? known)) return known;
        ExprTable.ThrowIfTooDeep();
        Expr rebuilt = expr.Kind switch
        {
            ExprKind.Sequence => table.Sequence(Rebuild(expr.First), Rebuild(expr.Second)),
            ExprKind.Alternatives => table.Alternatives([.. expr.Parts.Select(Rebuild)]),
            ExprKind.Repeat => table.Repeat(Rebuild(expr.First), expr.Least, expr.Most),
            ExprKind.Rule => finite.Contains(expr) ? expr : table.Nothing,
            ExprKind.Lexeme => table.Lexeme(expr.First),
            _ => expr,
        };
        pruned.Add(expr, rebuilt);
        return rebuilt;
    }

    private void ThrowIfLeftRecursive()
    {
        var done = new HashSet<Expr>();
        foreach (Expr rule in rules)
        {
            if (finite.Contains(rule)) Visit(rule, done, []);
        }
    }

    private static void Visit(Expr expr, HashSet<Expr> done, HashSet<Expr> within)
    {
        if (done.Contains(expr)) return;
        ExprTable.ThrowIfTooDeep();
        switch (expr.Kind)
        {
            case ExprKind.Rule:
                if (!within.Add(expr)) throw new GrammarException($"The rule '{expr.Name}' begins with itself; a rule may end with itself.");
                Visit(expr.Body!, done, within);
                within.Remove(expr);
                break;
            case ExprKind.Sequence:
                Visit(expr.First, done, within);
                if (expr.First.Nullable) Visit(expr.Second, done, within);
                break;
            case ExprKind.Alternatives or ExprKind.Repeat:
                foreach (Expr part in expr.Parts) Visit(part, done, within);
                break;
        }

        done.Add(expr);
    }
}
