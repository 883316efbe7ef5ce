namespace Llama.Model.Grammars.Expressions;

/// <summary>What an expression is.</summary>
internal enum ExprKind : byte
{
    /// <summary>No text at all.</summary>
    Nothing,

    /// <summary>The empty text.</summary>
    Empty,

    /// <summary>One byte of a set.</summary>
    Bytes,

    /// <summary>One expression, then another.</summary>
    Sequence,

    /// <summary>One of several expressions.</summary>
    Alternatives,

    /// <summary>An expression again and again, a bounded or unbounded number of times.</summary>
    Repeat,

    /// <summary>A rule of the grammar, which may refer to itself.</summary>
    Rule,

    /// <summary>A regular expression that stands for itself: what follows it does not change which tokens lie within it.</summary>
    Lexeme,

    /// <summary>What several regular expressions have in common.</summary>
    And,

    /// <summary>Every text but those of a regular expression.</summary>
    Not,

    /// <summary>The digits of a number that is divisible, behind digits that left a remainder; other characters count for nothing.</summary>
    Multiple,
}

/// <summary>
/// An expression for a set of texts, in bytes. Equal ones are the same object (<see cref="ExprTable"/>), so an expression is also a state
/// of an automaton: its derivative by a byte, the set of what may follow that byte, is the next one (Brzozowski, "Derivatives of regular
/// expressions", 1964). The rest of a sequence is what a pushdown automaton has on its stack.
/// </summary>
internal sealed class Expr
{
    /// <summary>A repetition without an upper bound.</summary>
    public const int Unbounded = int.MaxValue;

    /// <summary>What it is.</summary>
    public required ExprKind Kind { get; init; }

    /// <summary>Its number, in the order in which the expressions were made.</summary>
    public required int Id { get; init; }

    /// <summary>Its parts: two of a sequence, one of a repetition, lexeme or complement.</summary>
    public Expr[] Parts { get; init; } = [];

    /// <summary>The bytes of which it is one.</summary>
    public ByteSet Set { get; init; }

    /// <summary>The fewest repetitions; of a multiple, the divisor.</summary>
    public int Least { get; init; }

    /// <summary>The most repetitions; of a multiple, the remainder.</summary>
    public int Most { get; init; }

    /// <summary>Whether the empty text is one of its texts.</summary>
    public required bool Nullable { get; init; }

    /// <summary>Whether an intersection or complement is in it, so that it may have no text without being <see cref="ExprKind.Nothing"/>.</summary>
    public bool HasBoolean { get; init; }

    /// <summary>Of a rule: what it stands for.</summary>
    public Expr? Body { get; set; }

    /// <summary>Of a rule: its name, for messages.</summary>
    public string? Name { get; init; }

    /// <summary>By class of bytes: the derivative, where it is known.</summary>
    public Expr?[]? Next { get; set; }

    /// <summary>Whether it has a text; null while that is not known.</summary>
    public bool? Live { get; set; }

    /// <summary>The first part.</summary>
    public Expr First => Parts[0];

    /// <summary>The second part.</summary>
    public Expr Second => Parts[1];

    /// <summary>Compares expressions by what they are made of.</summary>
    public sealed class Structure : IEqualityComparer<Expr>
    {
        /// <inheritdoc/>
        public bool Equals(Expr? x, Expr? y) => x!.Kind == y!.Kind && x.Least == y.Least && x.Most == y.Most && x.Kind != ExprKind.Rule
            && x.Set.Equals(y.Set) && x.Parts.AsSpan().SequenceEqual(y.Parts);

        /// <inheritdoc/>
        public int GetHashCode(Expr obj)
        {
            var hash = default(HashCode);
            hash.Add(obj.Kind);
            hash.Add(obj.Least);
            hash.Add(obj.Most);
            hash.Add(obj.Set);
            foreach (Expr part in obj.Parts) hash.Add(part.Id);
            return hash.ToHashCode();
        }
    }
}
