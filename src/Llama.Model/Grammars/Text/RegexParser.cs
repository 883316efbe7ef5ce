using System.Globalization;
using Llama.Model.Grammars.Expressions;

namespace Llama.Model.Grammars.Text;

/// <summary>
/// Reads regular expressions of ECMA-262 (with <c>u</c>): what is regular in them. Look-around, word boundaries and references to groups are
/// refused by name.
/// </summary>
internal sealed class RegexParser
{
    private const int MostRepeats = 100_000;

    private readonly ExprTable table;
    private readonly string pattern;
    private readonly Func<CodePoints, Expr> one;
    private readonly Expr? anchor;
    private int at;
    private int depth;

    private RegexParser(ExprTable table, string pattern, Func<CodePoints, Expr> one, Expr? anchor)
    {
        (this.table, this.pattern, this.one, this.anchor) = (table, pattern, one, anchor);
    }

    /// <summary>The texts that a pattern matches as a whole; anchors may stand only where they say just that.</summary>
    /// <exception cref="GrammarException">It is no pattern, or has what is not supported.</exception>
    public static Expr Whole(ExprTable table, string pattern) =>
        new RegexParser(table, pattern, set => Utf8.One(table, set), null).ParseAll();

    /// <summary>
    /// The strings, as JSON, in which a pattern matches somewhere: to be intersected with the JSON strings. Anchors are the quotes, which no
    /// character of such a string is written as.
    /// </summary>
    /// <exception cref="GrammarException">It is no pattern, or has what is not supported.</exception>
    public static Expr Within(ExprTable table, JsonText json, string pattern)
    {
        Expr anything = table.Repeat(table.Alternatives(json.WrittenOneWay, json.Quote), 0);
        return table.Sequence(anything, new RegexParser(table, pattern, json.One, json.Quote).ParseAll(), anything);
    }

    private bool Ended => at == pattern.Length;

    private Expr ParseAll()
    {
        Expr all = ParseAlternatives();
        return Ended ? all : throw Wrong($"'{pattern[at]}' closes nothing");
    }

    private Expr ParseAlternatives()
    {
        if (++depth > GrammarLimits.Nesting) throw Wrong($"groups are nested more than {GrammarLimits.Nesting} deep");
        var alternatives = new List<Expr> { ParseSequence() };
        while (TryTake('|')) alternatives.Add(ParseSequence());
        depth--;
        return table.Alternatives([.. alternatives]);
    }

    private Expr ParseSequence()
    {
        var parts = new List<Expr>();
        bool anchored = false;
        if (anchor is null && depth == 1) TryTake('^');
        while (!Ended && pattern[at] is not ('|' or ')'))
        {
            if (anchor is null && depth == 1 && pattern[at] == '$' && (at + 1 == pattern.Length || pattern[at + 1] == '|'))
            {
                at++;
                break;
            }

            if (pattern[at] is '^' or '$')
            {
                if (anchor is null) throw Wrong($"'{pattern[at]}' may stand only at the very ends, since the whole answer is matched");
                at++;
                if (!anchored) parts.Add(anchor);
                anchored = true;
                continue;
            }

            anchored = false;
            parts.Add(ParseRepeat(ParseAtom()));
        }

        return table.Sequence([.. parts]);
    }

    private Expr ParseRepeat(Expr atom)
    {
        (int Least, int Most)? bounds = TryTake('*') ? (0, Expr.Unbounded) : TryTake('+') ? (1, Expr.Unbounded) : TryTake('?') ? (0, 1) : TryBounds();
        if (bounds is not { } counts) return atom;
        TryTake('?');
        if (!Ended && pattern[at] is '*' or '+' or '?' or '{') throw Wrong($"'{pattern[at]}' repeats nothing");
        return table.Repeat(atom, counts.Least, counts.Most);
    }

    private (int Least, int Most)? TryBounds()
    {
        if (!TryTake('{')) return null;
        int least = ParseCount();
        int most = least;
        if (TryTake(',')) most = !Ended && pattern[at] == '}' ? Expr.Unbounded : ParseCount();
        if (!TryTake('}')) throw Wrong("a repetition is not closed; expected {n}, {n,} or {n,m}");
        return most >= least ? (least, most) : throw Wrong($"the repetition {{{least},{most}}} is empty");
    }

    private int ParseCount()
    {
        int first = at;
        while (!Ended && char.IsAsciiDigit(pattern[at])) at++;
        return int.TryParse(pattern.AsSpan(first, at - first), NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count <= MostRepeats
            ? count
            : throw Wrong($"a repetition has no count from 0 to {MostRepeats}");
    }

    private Expr ParseAtom()
    {
        switch (pattern[at])
        {
            case '(':
                at++;
                if (TryTake('?')) ParseGroupKind();
                Expr group = ParseAlternatives();
                return TryTake(')') ? group : throw Wrong("a group is not closed");
            case '[':
                at++;
                return one(ParseClass());
            case '.':
                at++;
                return one(CodePoints.LineEnds.Complement());
            case '*' or '+' or '?' or '{':
                throw Wrong($"'{pattern[at]}' repeats nothing");
            case '\\':
                at++;
                if (!Ended && pattern[at] is 'b' or 'B') throw Wrong("word boundaries are not supported");
                if (!Ended && pattern[at] is (>= '1' and <= '9') or 'k') throw Wrong("references to groups are not supported");
                return one(ParseEscape());
            default:
                return one(Single(ParseCharacter()));
        }
    }

    private void ParseGroupKind()
    {
        if (TryTake(':')) return;
        if (at + 1 < pattern.Length && pattern[at] == '<' && pattern[at + 1] is not ('=' or '!'))
        {
            int end = pattern.IndexOf('>', at);
            if (end < 0) throw Wrong("the name of a group is not closed");
            at = end + 1;
            return;
        }

        throw Wrong("of the groups with a question mark only (?:…) and (?<name>…) are supported, not look-around or flags");
    }

    private CodePoints ParseClass()
    {
        bool negated = TryTake('^');
        CodePoints set = CodePoints.Of([]);
        while (!TryTake(']'))
        {
            CodePoints first = ParseMember();
            if (first.Ranges is [var low] && low.First == low.Last && at + 1 < pattern.Length && pattern[at] == '-' && pattern[at + 1] != ']')
            {
                at++;
                CodePoints last = ParseMember();
                if (last.Ranges is not [var high] || high.First != high.Last || high.Last < low.First) throw Wrong("a range of a class is empty");
                first = CodePoints.Of((low.First, high.Last));
            }

            set = set.Union(first);
        }

        return negated ? set.Complement() : set;
    }

    private CodePoints ParseMember()
    {
        if (Ended) throw Wrong("a class is not closed");
        if (!TryTake('\\')) return Single(ParseCharacter());
        if (TryTake('b')) return Single('\b');
        return ParseEscape();
    }

    private CodePoints ParseEscape()
    {
        if (Ended) throw Wrong("it ends with a backslash");
        char kind = pattern[at++];
        return kind switch
        {
            'd' => CodePoints.Digits,
            'D' => CodePoints.Digits.Complement(),
            'w' => CodePoints.Word,
            'W' => CodePoints.Word.Complement(),
            's' => CodePoints.Space,
            'S' => CodePoints.Space.Complement(),
            'p' => ParseCategory(),
            'P' => ParseCategory().Complement(),
            't' => Single('\t'),
            'n' => Single('\n'),
            'r' => Single('\r'),
            'f' => Single('\f'),
            'v' => Single('\v'),
            '0' => Single(0),
            'x' => Single(ParseHex(2)),
            'u' => Single(ParseUnicode()),
            'c' when !Ended && char.IsAsciiLetter(pattern[at]) => Single(pattern[at++] % 32),
            _ when char.IsAsciiLetterOrDigit(kind) => throw Wrong($"the escape '\\{kind}' is not supported"),
            _ => Single(kind),
        };
    }

    private CodePoints ParseCategory()
    {
        int end = TryTake('{') ? pattern.IndexOf('}', at) : -1;
        if (end < 0) throw Wrong("the name of a category is not closed; expected \\p{…}");
        string name = pattern[at..end];
        at = end + 1;
        return UnicodeCategories.Find(name) ?? throw Wrong($"the category '{name}' is not supported; expected a general category such as L or Lu");
    }

    private int ParseUnicode()
    {
        if (TryTake('{'))
        {
            int end = pattern.IndexOf('}', at);
            int value = end < 0 ? -1 : ParseHex(end - at);
            return value is >= 0 and <= CodePoints.Last && TryTake('}') ? value : throw Wrong("\\u{…} has no code point");
        }

        int high = ParseHex(4);
        if (!char.IsHighSurrogate((char)high) || at + 1 >= pattern.Length || pattern[at] != '\\' || pattern[at + 1] != 'u') return high;
        int back = at;
        at += 2;
        int low = ParseHex(4);
        if (char.IsLowSurrogate((char)low)) return char.ConvertToUtf32((char)high, (char)low);
        at = back;
        return high;
    }

    private int ParseHex(int digits)
    {
        if (digits is < 1 or > 6 || at + digits > pattern.Length
            || !int.TryParse(pattern.AsSpan(at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value))
        {
            throw Wrong("an escape has no hexadecimal number");
        }

        at += digits;
        return value;
    }

    private int ParseCharacter()
    {
        int value = char.IsSurrogatePair(pattern, at) ? char.ConvertToUtf32(pattern, at) : pattern[at];
        at += value > char.MaxValue ? 2 : 1;
        return value;
    }

    private bool TryTake(char expected)
    {
        if (Ended || pattern[at] != expected) return false;
        at++;
        return true;
    }

    private static CodePoints Single(int value) => CodePoints.Of((value, value));

    private GrammarException Wrong(string what) => new($"In the regular expression, at character {at + 1}, {what}.");
}
