namespace Llama.Model.Grammars.Expressions;

/// <content>What follows a byte, and whether anything does.</content>
internal sealed partial class ExprTable
{
    private byte[] classes = [.. Enumerable.Range(0, 256).Select(value => (byte)value)];
    private byte[] representatives = [.. Enumerable.Range(0, 256).Select(value => (byte)value)];
    private bool isSealed;

    /// <summary>By byte: its class. All bytes of a class have the same derivatives.</summary>
    public ReadOnlySpan<byte> Classes => classes;

    /// <summary>
    /// Ends the making of the grammar: finds the classes of bytes, and leaves out of the start what has no text. From now on an expression has
    /// a text, or is <see cref="Nothing"/>.
    /// </summary>
    /// <param name="start">Where the grammar starts.</param>
    /// <returns>The same texts.</returns>
    /// <exception cref="GrammarException">There is none, or a rule begins with itself.</exception>
    public Expr Seal(Expr start)
    {
        // A schema that was given up half way leaves rules without a body.
        rules.RemoveAll(rule => rule.Body is null);
        var sets = known.Keys.Where(expr => expr.Kind == ExprKind.Bytes).Select(expr => expr.Set).Distinct().ToList();
        if (known.Keys.Any(expr => expr.Kind == ExprKind.Multiple))
            sets.AddRange(Enumerable.Range('0', 10).Select(digit => ByteSet.Of((byte)digit)));
        var numbers = new Dictionary<(int, bool), int>();
        int[] partition = new int[256];
        foreach (ByteSet set in sets)
        {
            Spend(256);
            numbers.Clear();
            for (int value = 0; value < 256; value++)
            {
                (int, bool) key = (partition[value], set.Contains((byte)value));
                if (!numbers.TryGetValue(key, out int number)) numbers.Add(key, number = numbers.Count);
                partition[value] = number;
            }
        }

        classes = [.. partition.Select(number => (byte)number)];
        representatives = new byte[partition.Max() + 1];
        for (int value = 255; value >= 0; value--) representatives[classes[value]] = (byte)value;
        foreach (Expr expr in known.Keys) expr.Next = null;
        foreach (Expr rule in rules) rule.Next = null;
        isSealed = true;
        start = new ExprPruning(this, rules).Prune(start);
        return start != Nothing ? start : throw new GrammarException("No text fits the grammar.");
    }

    /// <summary>What may follow a byte.</summary>
    /// <param name="expr">What may come.</param>
    /// <param name="value">The byte.</param>
    public Expr Derive(Expr expr, byte value) => DeriveClass(expr, classes[value]);

    /// <summary>What may follow bytes of a class.</summary>
    /// <param name="expr">What may come.</param>
    /// <param name="byteClass">The class.</param>
    public Expr DeriveClass(Expr expr, byte byteClass)
    {
        if (expr.Next is { } next && next[byteClass] is { } derivative) return derivative;
        ThrowIfTooDeep();
        derivative = Compute(expr, byteClass);
        (expr.Next ??= new Expr?[representatives.Length])[byteClass] = derivative;
        return derivative;
    }

    /// <summary>Whether a text is one of an expression's.</summary>
    public bool Matches(Expr expr, ReadOnlySpan<byte> text)
    {
        foreach (byte value in text)
        {
            expr = Derive(expr, value);
            if (expr == Nothing) return false;
        }

        return expr.Nullable;
    }

    /// <summary>Whether a regular expression has a text. Searches its derivatives, the nearest first.</summary>
    public bool IsLive(Expr start)
    {
        if (start.Live is { } known) return known;
        if (start.Nullable || !start.HasBoolean) return (start.Live = start != Nothing).Value;
        var cameFrom = new Dictionary<Expr, Expr?> { [start] = null };
        var queue = new Queue<Expr>([start]);
        while (queue.TryDequeue(out Expr? expr))
        {
            for (int i = 0; i < representatives.Length; i++)
            {
                Expr next = DeriveClass(expr, (byte)i);
                if (next == Nothing || next.Live is false) continue;
                if (next.Nullable || next.Live is true || !next.HasBoolean)
                {
                    next.Live = true;
                    for (Expr? live = expr; live is not null; live = cameFrom[live]) live.Live = true;
                    return true;
                }

                if (cameFrom.TryAdd(next, expr)) queue.Enqueue(next);
            }
        }

        foreach (Expr dead in cameFrom.Keys) dead.Live = false;
        return false;
    }

    private Expr Compute(Expr expr, byte byteClass)
    {
        switch (expr.Kind)
        {
            case ExprKind.Bytes:
                return expr.Set.Contains(representatives[byteClass]) ? Empty : Nothing;
            case ExprKind.Sequence:
                Expr first = Sequence(DeriveClass(expr.First, byteClass), expr.Second);
                return expr.First.Nullable ? Alternatives(first, DeriveClass(expr.Second, byteClass)) : first;
            case ExprKind.Alternatives:
                return Alternatives(DeriveAll(expr.Parts, byteClass));
            case ExprKind.Repeat:
                int most = expr.Most == Expr.Unbounded ? Expr.Unbounded : expr.Most - 1;
                return Sequence(DeriveClass(expr.First, byteClass), Repeat(expr.First, Math.Max(0, expr.Least - 1), most));
            case ExprKind.Rule:
                return DeriveClass(expr.Body!, byteClass);
            case ExprKind.Lexeme:
                return Lexeme(DeriveClass(expr.First, byteClass));
            case ExprKind.And:
                return And(DeriveAll(expr.Parts, byteClass));
            case ExprKind.Not:
                return Not(DeriveClass(expr.First, byteClass));
            case ExprKind.Multiple:
                int digit = representatives[byteClass] - '0';
                return digit is < 0 or > 9 ? expr : Multiple(expr.Least, (int)(((10L * expr.Most) + digit) % expr.Least));
            default:
                return Nothing;
        }
    }

    private Expr[] DeriveAll(Expr[] parts, byte byteClass)
    {
        Expr[] derivatives = new Expr[parts.Length];
        for (int i = 0; i < parts.Length; i++) derivatives[i] = DeriveClass(parts[i], byteClass);
        return derivatives;
    }
}
