using System.Runtime.CompilerServices;

namespace Llama.Model.Grammars.Expressions;

/// <summary>
/// Makes the expressions of one grammar, each once, and their derivatives, each once. What it makes is bounded
/// (<see cref="GrammarLimits"/>). For one thread at a time.
/// </summary>
internal sealed partial class ExprTable
{
    private readonly Dictionary<Expr, Expr> known = new(new Expr.Structure());
    private readonly List<Expr> rules = [];
    private readonly ExprMemory memory;
    private long work;
    private int count;
    private int portions;

    /// <summary>Starts with nothing but the simplest expressions.</summary>
    /// <param name="memory">Counts what it makes.</param>
    public ExprTable(ExprMemory memory)
    {
        this.memory = memory;
        Nothing = Intern(new Expr { Kind = ExprKind.Nothing, Id = 0, Nullable = false, Live = false });
        Empty = Intern(new Expr { Kind = ExprKind.Empty, Id = 1, Nullable = true, Live = true });
        Anything = Not(Nothing);
    }

    /// <summary>Gives its memory back.</summary>
    ~ExprTable() => memory.Give(portions);

    /// <summary>How many expressions there are.</summary>
    public int Count => count;

    /// <summary>No text at all.</summary>
    public Expr Nothing { get; }

    /// <summary>The empty text.</summary>
    public Expr Empty { get; }

    /// <summary>Every text.</summary>
    public Expr Anything { get; }

    /// <summary>One byte of a set.</summary>
    public Expr Bytes(ByteSet set) =>
        set.Equals(default) ? Nothing : Intern(new Expr { Kind = ExprKind.Bytes, Id = count, Set = set, Nullable = false, Live = true });

    /// <summary>One byte.</summary>
    public Expr Byte(byte value) => Bytes(ByteSet.Of(value));

    /// <summary>A text as it is.</summary>
    public Expr Literal(ReadOnlySpan<byte> text)
    {
        Expr literal = Empty;
        for (int i = text.Length - 1; i >= 0; i--) literal = Sequence(Byte(text[i]), literal);
        return literal;
    }

    /// <summary>A text as it is, in UTF-8.</summary>
    public Expr Literal(string text) => Literal(System.Text.Encoding.UTF8.GetBytes(text));

    /// <summary>Expressions one after the other.</summary>
    public Expr Sequence(params ReadOnlySpan<Expr> parts)
    {
        Expr sequence = Empty;
        for (int i = parts.Length - 1; i >= 0; i--) sequence = Sequence(parts[i], sequence);
        return sequence;
    }

    /// <summary>One expression, then another; nested to the right, so that the first part is none itself.</summary>
    public Expr Sequence(Expr first, Expr second)
    {
        if (first == Nothing || second == Nothing) return Nothing;
        if (first == Empty) return second;
        if (second == Empty) return first;
        if (first.Kind == ExprKind.Sequence)
        {
            var heads = new List<Expr>();
            for (; first.Kind == ExprKind.Sequence; first = first.Second) heads.Add(first.First);
            Expr nested = Sequence(first, second);
            for (int i = heads.Count - 1; i >= 0; i--) nested = Sequence(heads[i], nested);
            return nested;
        }

        return Intern(new Expr
        {
            Kind = ExprKind.Sequence,
            Id = count,
            Parts = [first, second],
            Nullable = first.Nullable && second.Nullable,
            HasBoolean = first.HasBoolean || second.HasBoolean,
        });
    }

    /// <summary>One of several expressions.</summary>
    public Expr Alternatives(params ReadOnlySpan<Expr> parts)
    {
        var flat = new List<Expr>(parts.Length);
        var bytes = default(ByteSet);
        foreach (Expr part in parts)
        {
            if (part.Kind != ExprKind.Alternatives) Take(part);
            else foreach (Expr inner in part.Parts) Take(inner);
        }

        Spend(flat.Count);
        Expr set = Bytes(bytes);
        if (set != Nothing) flat.Add(set);
        flat.Sort((a, b) => a.Id.CompareTo(b.Id));
        int kept = 0;
        bool nullable = flat.Exists(part => part.Nullable && part != Empty);
        bool boolean = false;
        for (int i = 0; i < flat.Count; i++)
        {
            if ((kept > 0 && flat[kept - 1] == flat[i]) || (nullable && flat[i] == Empty)) continue;
            boolean |= flat[i].HasBoolean;
            flat[kept++] = flat[i];
        }

        if (kept == 0) return Nothing;
        if (kept == 1) return flat[0];
        return Intern(new Expr
        {
            Kind = ExprKind.Alternatives,
            Id = count,
            Parts = [.. flat[..kept]],
            Nullable = nullable || flat[..kept].Contains(Empty),
            HasBoolean = boolean,
        });

        void Take(Expr part)
        {
            if (part.Kind == ExprKind.Bytes) bytes = bytes.Union(part.Set);
            else if (part != Nothing) flat.Add(part);
        }
    }

    /// <summary>An expression or nothing.</summary>
    public Expr Optional(Expr part) => Alternatives(part, Empty);

    /// <summary>An expression again and again.</summary>
    public Expr Repeat(Expr part, int least, int most = Expr.Unbounded)
    {
        if (most < least) return Nothing;
        if (part == Empty || most == 0) return Empty;
        if (part == Nothing) return least == 0 ? Empty : Nothing;
        if (least == 1 && most == 1) return part;
        return Intern(new Expr
        {
            Kind = ExprKind.Repeat,
            Id = count,
            Parts = [part],
            Least = least,
            Most = most,
            Nullable = least == 0 || part.Nullable,
            HasBoolean = part.HasBoolean,
        });
    }

    /// <summary>A rule whose <see cref="Expr.Body"/> follows.</summary>
    public Expr Rule(string name, bool nullable)
    {
        Expr rule = Intern(new Expr { Kind = ExprKind.Rule, Id = count, Name = name, Nullable = nullable });
        rules.Add(rule);
        return rule;
    }

    /// <summary>A regular expression that stands for itself.</summary>
    public Expr Lexeme(Expr inner)
    {
        if (inner == Nothing || inner == Empty || inner.Kind == ExprKind.Lexeme) return inner;
        if (isSealed && !IsLive(inner)) return Nothing;
        return Intern(new Expr { Kind = ExprKind.Lexeme, Id = count, Parts = [inner], Nullable = inner.Nullable });
    }

    /// <summary>What regular expressions have in common.</summary>
    public Expr And(params ReadOnlySpan<Expr> parts)
    {
        var flat = new List<Expr>(parts.Length);
        foreach (Expr part in parts)
        {
            if (part.Kind == ExprKind.And) flat.AddRange(part.Parts);
            else if (part != Anything) flat.Add(part);
        }

        Spend(flat.Count);
        if (flat.Contains(Nothing)) return Nothing;
        flat = [.. flat.Distinct().OrderBy(part => part.Id)];
        if (flat.Count == 0) return Anything;
        if (flat.Count == 1) return flat[0];
        bool nullable = flat.TrueForAll(part => part.Nullable);
        if (flat.Contains(Empty)) return nullable ? Empty : Nothing;
        return Intern(new Expr { Kind = ExprKind.And, Id = count, Parts = [.. flat], Nullable = nullable, HasBoolean = true });
    }

    /// <summary>Every text but those of a regular expression.</summary>
    public Expr Not(Expr part) => part.Kind == ExprKind.Not
        ? part.First
        : Intern(new Expr { Kind = ExprKind.Not, Id = count, Parts = [part], Nullable = !part.Nullable, HasBoolean = true });

    /// <summary>Digits that end a number divisible by another, behind digits that left a remainder.</summary>
    public Expr Multiple(int divisor, int remainder = 0) => Intern(new Expr
    {
        Kind = ExprKind.Multiple,
        Id = count,
        Least = divisor,
        Most = remainder,
        Nullable = remainder == 0,
        Live = true,
    });

    private Expr Intern(Expr candidate)
    {
        Spend(1);
        if (candidate.Kind != ExprKind.Rule && known.TryGetValue(candidate, out Expr? existing)) return existing;
        if (count >= GrammarLimits.Expressions) throw TooLarge();
        if (count % ExprMemory.Portion == 0)
        {
            memory.Take();
            portions++;
        }

        if (candidate.Kind != ExprKind.Rule) known.Add(candidate, candidate);
        count++;
        return candidate;
    }

    private void Spend(long parts)
    {
        if ((work += parts) > GrammarLimits.Work) throw TooLarge();
    }

    /// <summary>Refuses to go deeper than the stack allows.</summary>
    /// <exception cref="GrammarException">It is nested too deeply.</exception>
    internal static void ThrowIfTooDeep()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new GrammarException("The grammar is nested too deeply, or has too many optional parts in a row.");
    }

    private static GrammarException TooLarge() => new(
        "The grammar is too large: its states take more than the memory and time that one may have. Smaller bounds on lengths and counts,"
        + " and fewer alternatives, make it smaller.");
}
