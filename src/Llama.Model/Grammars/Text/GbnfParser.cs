using System.Globalization;
using System.Text;
using Llama.Model.Grammars.Expressions;

namespace Llama.Model.Grammars.Text;

/// <summary>
/// Reads GBNF, the notation of llama.cpp: rules <c>name ::= …</c> of texts, classes of characters, names, groups, alternatives and
/// repetitions, with comments behind <c>#</c>. It starts with the rule <c>root</c>.
/// </summary>
internal sealed class GbnfParser
{
    private const int MostRepeats = 100_000;

    private readonly ExprTable table;
    private readonly string text;
    private readonly Dictionary<string, Node> rules = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Expr> made = new(StringComparer.Ordinal);
    private readonly HashSet<string> nullable = new(StringComparer.Ordinal);
    private int at;
    private int depth;

    private GbnfParser(ExprTable table, string text) => (this.table, this.text) = (table, text);

    /// <summary>The texts of a grammar.</summary>
    /// <exception cref="GrammarException">It is no grammar.</exception>
    public static Expr Parse(ExprTable table, string text) => new GbnfParser(table, text).Parse();

    private bool Ended => at == text.Length;

    private Expr Parse()
    {
        for (SkipSpace(true); !Ended; SkipSpace(true))
        {
            string name = ParseName();
            SkipSpace(true);
            if (!text.AsSpan(at).StartsWith("::=")) throw Wrong($"expected ::= behind the name '{name}'");
            at += 3;
            if (!rules.TryAdd(name, ParseAlternatives(true))) throw Wrong($"the rule '{name}' is there twice");
            SkipSpace(false);
            if (!Ended && text[at] is not ('\n' or '\r')) throw Wrong($"'{text[at]}' is no part of a rule");
        }

        if (!rules.ContainsKey("root")) throw new GrammarException("The grammar has no rule 'root', with which it would start.");
        for (int before = -1; before != nullable.Count;)
        {
            before = nullable.Count;
            foreach ((string name, Node body) in rules)
            {
                if (IsNullable(body)) nullable.Add(name);
            }
        }

        foreach (string name in rules.Keys) made.Add(name, table.Rule(name, nullable.Contains(name)));
        foreach ((string name, Node body) in rules) made[name].Body = Make(body);
        return made["root"];
    }

    private Node ParseAlternatives(bool lines)
    {
        if (++depth > GrammarLimits.Nesting) throw Wrong($"groups are nested more than {GrammarLimits.Nesting} deep");
        var alternatives = new List<Node>();
        do
        {
            at += alternatives.Count > 0 ? 1 : 0;
            SkipSpace(lines || depth > 1);
            alternatives.Add(ParseSequence());
        }
        while (!Ended && text[at] == '|');
        depth--;
        return alternatives is [var only] ? only : new Node(NodeKind.Alternatives, [.. alternatives]);
    }

    private Node ParseSequence()
    {
        var parts = new List<Node>();
        while (true)
        {
            SkipSpace(depth > 1);
            if (Ended || text[at] is '|' or ')' or '\n' or '\r')
            {
                // A line that goes on with an alternative belongs to the same rule.
                int back = at;
                SkipSpace(true);
                if (!Ended && text[at] == '|') break;
                at = back;
                break;
            }

            Node part = ParseAtom();
            while (!Ended && text[at] is '*' or '+' or '?' or '{') part = ParseRepeat(part);
            parts.Add(part);
        }

        return new Node(NodeKind.Sequence, [.. parts]);
    }

    private Node ParseRepeat(Node part)
    {
        char kind = text[at++];
        if (kind != '{') return new Node(NodeKind.Repeat, [part], Least: kind == '+' ? 1 : 0, Most: kind == '?' ? 1 : Expr.Unbounded);
        SkipSpace(true);
        int least = ParseCount();
        int most = least;
        SkipSpace(true);
        if (TryTake(','))
        {
            SkipSpace(true);
            most = !Ended && text[at] == '}' ? Expr.Unbounded : ParseCount();
            SkipSpace(true);
        }

        if (!TryTake('}')) throw Wrong("a repetition is not closed; expected {n}, {n,} or {n,m}");
        return most >= least ? new Node(NodeKind.Repeat, [part], Least: least, Most: most) : throw Wrong($"the repetition {{{least},{most}}} is empty");
    }

    private int ParseCount()
    {
        int first = at;
        while (!Ended && char.IsAsciiDigit(text[at])) at++;
        return int.TryParse(text.AsSpan(first, at - first), NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count <= MostRepeats
            ? count
            : throw Wrong($"a repetition has no count from 0 to {MostRepeats}");
    }

    private Node ParseAtom()
    {
        if (TryTake('"'))
        {
            var literal = new StringBuilder();
            while (!TryTake('"')) literal.Append(new Rune(ParseCharacter("a text")));
            return new Node(NodeKind.Expression, [], table.Literal(literal.ToString()));
        }

        if (TryTake('[')) return new Node(NodeKind.Expression, [], Utf8.One(table, ParseClass()));
        if (TryTake('.')) return new Node(NodeKind.Expression, [], Utf8.One(table, CodePoints.All));
        if (!TryTake('(')) return new Node(NodeKind.Name, [], Name: ParseName());
        Node group = ParseAlternatives(true);
        SkipSpace(true);
        return TryTake(')') ? group : throw Wrong("a group is not closed");
    }

    private CodePoints ParseClass()
    {
        bool negated = TryTake('^');
        var ranges = new List<(int First, int Last)>();
        while (!TryTake(']'))
        {
            int first = ParseCharacter("a class");
            int last = first;
            if (at + 1 < text.Length && text[at] == '-' && text[at + 1] != ']')
            {
                at++;
                last = ParseCharacter("a class");
            }

            ranges.Add(first <= last ? (first, last) : throw Wrong("a range of a class is empty"));
        }

        CodePoints set = CodePoints.Of(ranges);
        return negated ? set.Complement() : set;
    }

    private int ParseCharacter(string within)
    {
        if (Ended) throw Wrong($"{within} is not closed");
        if (!TryTake('\\'))
        {
            int value = char.IsSurrogatePair(text, at) ? char.ConvertToUtf32(text, at) : text[at];
            at += value > char.MaxValue ? 2 : 1;
            return char.IsSurrogate((char)value) && value <= char.MaxValue ? throw Wrong("half a surrogate pair stands alone") : value;
        }

        if (Ended) throw Wrong($"{within} is not closed");
        char kind = text[at++];
        return kind switch
        {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'x' => ParseHex(2),
            'u' => ParseHex(4),
            'U' => ParseHex(8),
            '\\' or '"' or '[' or ']' or '-' or '^' => kind,
            _ => throw Wrong($"the escape '\\{kind}' is unknown"),
        };
    }

    private int ParseHex(int digits)
    {
        if (at + digits > text.Length
            || !int.TryParse(text.AsSpan(at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
            || !Rune.IsValid(value))
        {
            throw Wrong($"an escape has no {digits} hexadecimal digits of a character");
        }

        at += digits;
        return value;
    }

    private string ParseName()
    {
        int first = at;
        while (!Ended && (char.IsAsciiLetterOrDigit(text[at]) || text[at] is '-' or '_')) at++;
        return at > first ? text[first..at] : throw Wrong(Ended ? "it ends too early" : $"'{text[at]}' is no part of a rule");
    }

    private bool TryTake(char expected)
    {
        if (Ended || text[at] != expected) return false;
        at++;
        return true;
    }

    private void SkipSpace(bool lines)
    {
        for (; !Ended; at++)
        {
            if (text[at] == '#')
            {
                while (!Ended && text[at] is not ('\n' or '\r')) at++;
                if (Ended) return;
            }

            if (!(text[at] is ' ' or '\t' || (lines && text[at] is '\n' or '\r'))) return;
            if (!lines && text[at] is '\n' or '\r') return;
        }
    }

    private bool IsNullable(Node node) => node.Kind switch
    {
        NodeKind.Expression => node.Expression!.Nullable,
        NodeKind.Name => nullable.Contains(node.Name!),
        NodeKind.Sequence => Array.TrueForAll(node.Parts, IsNullable),
        NodeKind.Alternatives => Array.Exists(node.Parts, IsNullable),
        _ => node.Least == 0 || IsNullable(node.Parts[0]),
    };

    private Expr Make(Node node) => node.Kind switch
    {
        NodeKind.Expression => node.Expression!,
        NodeKind.Name => made.GetValueOrDefault(node.Name!) ?? throw new GrammarException($"The grammar has no rule '{node.Name}', which another refers to."),
        NodeKind.Sequence => table.Sequence([.. node.Parts.Select(Make)]),
        NodeKind.Alternatives => table.Alternatives([.. node.Parts.Select(Make)]),
        _ => table.Repeat(Make(node.Parts[0]), node.Least, node.Most),
    };

    private GrammarException Wrong(string what)
    {
        string before = text[..at];
        int line = before.Count(character => character == '\n') + 1;
        return new GrammarException($"In the grammar, at line {line}, character {at - before.LastIndexOf('\n')}, {what}.");
    }

    private enum NodeKind
    {
        Expression,
        Name,
        Sequence,
        Alternatives,
        Repeat,
    }

    private sealed record Node(NodeKind Kind, Node[] Parts, Expr? Expression = null, string? Name = null, int Least = 0, int Most = 0);
}
