using System.Globalization;
using System.Text;
using Llama.Model.Grammars.Expressions;

namespace Llama.Model.Grammars.Text;

/// <summary>
/// Characters and strings as JSON writes them. Where a string must be compared with something, each of its characters is written in one way
/// only: as it is, or where that is not allowed by its shortest escape. Other strings may use any escape.
/// </summary>
/// <param name="table">Makes the expressions.</param>
internal sealed class JsonText(ExprTable table)
{
    private static readonly CodePoints Escaped = CodePoints.Of((0, 0x1F), ('"', '"'), ('\\', '\\'));
    private Expr? anyCharacter;
    private Expr? writtenOneWay;

    /// <summary>The quote around a string.</summary>
    public Expr Quote => table.Byte((byte)'"');

    /// <summary>Any character, written in any way that JSON allows, but for half a surrogate pair.</summary>
    public Expr AnyCharacter => anyCharacter ??= table.Alternatives(
        Utf8.One(table, Escaped.Complement()),
        table.Sequence(table.Byte((byte)'\\'), OneOf("\"\\/bfnrt")),
        table.Sequence(table.Literal("\\u"), OneOf("0123456789abcefABCEF"), Hex, Hex, Hex),
        table.Sequence(table.Literal("\\u"), OneOf("dD"), OneOf("01234567"), Hex, Hex),
        table.Sequence(
            table.Literal("\\u"), OneOf("dD"), OneOf("89abAB"), Hex, Hex, table.Literal("\\u"), OneOf("dD"), OneOf("cdefCDEF"), Hex, Hex));

    /// <summary>Any character, written in one way only.</summary>
    public Expr WrittenOneWay => writtenOneWay ??= One(CodePoints.All);

    private Expr Hex => OneOf("0123456789abcdefABCDEF");

    /// <summary>One character of a set, written in one way only.</summary>
    public Expr One(CodePoints set)
    {
        var parts = new List<Expr> { Utf8.One(table, set.Except(Escaped)) };
        foreach ((int first, int last) in Escaped.Ranges)
        {
            for (int value = first; value <= last; value++)
            {
                if (set.Contains(value)) parts.Add(table.Literal(Escape((char)value)));
            }
        }

        return table.Alternatives([.. parts]);
    }

    /// <summary>A string as JSON, written in one way only.</summary>
    /// <param name="text">The string; a lone surrogate becomes U+FFFD.</param>
    public static string Write(string text)
    {
        var json = new StringBuilder("\"");
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (Escaped.Contains(rune.Value)) json.Append(Escape((char)rune.Value));
            else json.Append(rune);
        }

        return json.Append('"').ToString();
    }

    private static string Escape(char value) => value switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\b' => "\\b",
        '\f' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        _ => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)value:x4}"),
    };

    private Expr OneOf(string characters)
    {
        var set = default(ByteSet);
        foreach (char value in characters) set = set.Union(ByteSet.Of((byte)value));
        return table.Bytes(set);
    }
}
