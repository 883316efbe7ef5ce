using System.Globalization;
using System.Text;

namespace Llama.Model.Chat.Jinja;

/// <summary>
/// Cuts a template into tokens as Jinja 3 does with the settings of transformers: <c>trim_blocks</c> and <c>lstrip_blocks</c> on, one
/// line break at the end dropped.
/// </summary>
internal sealed class JinjaLexer
{
    private static readonly string[] Operators =
        ["**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", ".", ",", ":", "|", "(", ")", "[", "]", "{", "}"];

    private readonly string source;
    private readonly List<JinjaToken> tokens = [];
    private int at;
    private int line = 1;

    // Whether what follows begins a line: white space before a block is stripped there.
    private bool startsLine = true;

    private JinjaLexer(string source) => this.source = source;

    /// <summary>The tokens of a template, <see cref="JinjaTokenKind.End"/> last.</summary>
    /// <exception cref="JinjaException">A tag is not closed, or something in it is no token.</exception>
    public static List<JinjaToken> Read(string source)
    {
        source = source.ReplaceLineEndings("\n");
        if (source.EndsWith('\n')) source = source[..^1];
        var lexer = new JinjaLexer(source);
        while (lexer.at < source.Length) lexer.ReadOutside();
        lexer.tokens.Add(new(JinjaTokenKind.End, "", lexer.line));
        return lexer.tokens;
    }

    private void ReadOutside()
    {
        int tag = at;
        while ((tag = source.IndexOf('{', tag)) >= 0 && !(tag + 1 < source.Length && source[tag + 1] is '{' or '%' or '#')) tag++;
        if (tag < 0)
        {
            AddData(source[at..]);
            at = source.Length;
            return;
        }

        char kind = source[tag + 1];
        char sign = tag + 2 < source.Length ? source[tag + 2] : ' ';
        string data = source[at..tag];
        int lineStart = data.LastIndexOf('\n') + 1;
        if (sign == '-')
            data = data.TrimEnd();
        else if (sign != '+' && kind != '{' && (lineStart > 0 || startsLine) && string.IsNullOrWhiteSpace(data[lineStart..]))
            data = data[..lineStart];
        AddData(data);
        Advance(tag + (sign is '-' or '+' ? 3 : 2));
        switch (kind)
        {
            case '#':
                SkipComment();
                break;
            case '{':
                tokens.Add(new(JinjaTokenKind.ExpressionBegin, "{{", line));
                ReadInside("}}", JinjaTokenKind.ExpressionEnd);
                break;
            default:
                if (TryReadRaw()) break;
                tokens.Add(new(JinjaTokenKind.StatementBegin, "{%", line));
                ReadInside("%}", JinjaTokenKind.StatementEnd);
                break;
        }
    }

    private void AddData(string data)
    {
        if (data.Length > 0) tokens.Add(new(JinjaTokenKind.Data, data, line));
    }

    private void SkipComment()
    {
        int end = source.IndexOf("#}", at, StringComparison.Ordinal);
        if (end < 0) throw new JinjaException("a comment is not closed; expected #}", line);
        char sign = source[end - 1];
        Advance(end + 2);
        AfterTag(sign, dropsLineBreak: true);
    }

    // {% raw %} … {% endraw %}: everything between is text.
    private bool TryReadRaw()
    {
        int name = at;
        while (name < source.Length && char.IsWhiteSpace(source[name])) name++;
        if (!source.AsSpan(name).StartsWith("raw")) return false;
        int close = source.IndexOf("%}", name, StringComparison.Ordinal);
        if (close < 0 || source[name..close].Trim(' ', '\n', '\t', '-', '+') != "raw") return false;
        char sign = source[close - 1];
        Advance(close + 2);
        AfterTag(sign, dropsLineBreak: true);
        for (int end = at; (end = source.IndexOf("{%", end, StringComparison.Ordinal)) >= 0; end += 2)
        {
            int last = source.IndexOf("%}", end + 2, StringComparison.Ordinal);
            if (last < 0 || source[(end + 2)..last].Trim(' ', '\n', '\t', '-', '+') != "endraw") continue;
            string data = source[at..end];
            AddData(source[end + 2] == '-' ? data.TrimEnd() : data);
            char lastSign = source[last - 1];
            Advance(last + 2);
            AfterTag(lastSign, dropsLineBreak: true);
            return true;
        }

        throw new JinjaException("{% raw %} is not closed; expected {% endraw %}", line);
    }

    private void ReadInside(string close, JinjaTokenKind closeKind)
    {
        int open = line, depth = 0;
        while (true)
        {
            while (at < source.Length && char.IsWhiteSpace(source[at])) Advance(at + 1);
            if (at >= source.Length) throw new JinjaException($"a tag is not closed; expected {close}", open);
            ReadOnlySpan<char> rest = source.AsSpan(at);
            bool signed = rest[0] is '-' or '+' && rest[1..].StartsWith(close);
            if (depth == 0 && (signed || rest.StartsWith(close)))
            {
                char sign = signed ? rest[0] : ' ';
                tokens.Add(new(closeKind, close, line));
                Advance(at + close.Length + (signed ? 1 : 0));
                AfterTag(sign, dropsLineBreak: close == "%}");
                return;
            }

            JinjaToken token = ReadToken();
            if (token is { Kind: JinjaTokenKind.Operator, Text: "(" or "[" or "{" }) depth++;
            if (token is { Kind: JinjaTokenKind.Operator, Text: ")" or "]" or "}" }) depth--;
            tokens.Add(token);
        }
    }

    private void AfterTag(char sign, bool dropsLineBreak)
    {
        int start = at;
        if (sign == '-')
        {
            int end = at;
            while (end < source.Length && char.IsWhiteSpace(source[end])) end++;
            Advance(end);
        }
        else if (dropsLineBreak && sign != '+' && at < source.Length && source[at] == '\n')
        {
            Advance(at + 1);
        }

        startsLine = at > start && source[at - 1] == '\n';
    }

    private JinjaToken ReadToken()
    {
        int start = at;
        char first = source[at];
        if (first is '\'' or '"') return new(JinjaTokenKind.Text, ReadText(first), line);
        if (char.IsLetter(first) || first == '_') return new(JinjaTokenKind.Name, Take(character => char.IsLetterOrDigit(character) || character == '_'), line);
        if (char.IsAsciiDigit(first))
        {
            string number = Take(character => char.IsAsciiDigit(character) || character == '_');
            if (at + 1 < source.Length && source[at] == '.' && char.IsAsciiDigit(source[at + 1]))
            {
                Advance(at + 1);
                number += "." + Take(char.IsAsciiDigit);
            }

            int sign = at + 1 < source.Length && source[at + 1] is '+' or '-' ? 1 : 0;
            if (at + sign + 1 < source.Length && source[at] is 'e' or 'E' && char.IsAsciiDigit(source[at + sign + 1]))
            {
                number += source[at..(at + sign + 1)];
                Advance(at + sign + 1);
                number += Take(char.IsAsciiDigit);
            }

            return new(JinjaTokenKind.Number, number.Replace("_", "", StringComparison.Ordinal), line);
        }

        foreach (string one in Operators)
        {
            if (string.CompareOrdinal(source, at, one, 0, one.Length) != 0) continue;
            Advance(at + one.Length);
            return new(JinjaTokenKind.Operator, one, line);
        }

        throw new JinjaException($"found '{source[start]}', expected an expression", line);
    }

    private string Take(Func<char, bool> belongs)
    {
        int start = at;
        while (at < source.Length && belongs(source[at])) at++;
        return source[start..at];
    }

    // Python's escapes.
    private string ReadText(char quote)
    {
        int open = line;
        var text = new StringBuilder();
        Advance(at + 1);
        while (at < source.Length && source[at] != quote)
        {
            if (source[at] != '\\' || at + 1 == source.Length)
            {
                text.Append(source[at]);
                Advance(at + 1);
                continue;
            }

            char escape = source[at + 1];
            Advance(at + 2);
            switch (escape)
            {
                case 'n': text.Append('\n'); break;
                case 't': text.Append('\t'); break;
                case 'r': text.Append('\r'); break;
                case '0': text.Append('\0'); break;
                case '\n': break;
                case '\\' or '\'' or '"': text.Append(escape); break;
                case 'x': text.Append(ReadCode(2)); break;
                case 'u': text.Append(ReadCode(4)); break;
                case 'U': text.Append(ReadCode(8)); break;
                default: text.Append('\\').Append(escape); break;
            }
        }

        if (at >= source.Length) throw new JinjaException($"a text is not closed; expected {quote}", open);
        Advance(at + 1);
        return text.ToString();
    }

    private string ReadCode(int digits)
    {
        if (at + digits > source.Length
            || !int.TryParse(source.AsSpan(at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int code) || code is < 0 or > 0x10FFFF)
        {
            throw new JinjaException($"found an escape that is none, expected {digits} hexadecimal digits", line);
        }

        Advance(at + digits);
        return code is >= 0xD800 and <= 0xDFFF ? ((char)code).ToString() : char.ConvertFromUtf32(code);
    }

    private void Advance(int to)
    {
        line += source.AsSpan(at, to - at).Count('\n');
        at = to;
    }
}
