using Llama.Model.Grammars.Expressions;

namespace Llama.Model.Grammars.Text;

/// <summary>Sets of characters as expressions over the bytes of UTF-8.</summary>
internal static class Utf8
{
    /// <summary>One character of a set, as UTF-8 (RFC 3629): surrogates have no bytes.</summary>
    /// <param name="table">Makes the expression.</param>
    /// <param name="set">The set.</param>
    public static Expr One(ExprTable table, CodePoints set)
    {
        var parts = new List<Expr>();
        foreach ((int first, int last) in set.Ranges)
        {
            Add(table, first, Math.Min(last, 0x7F), parts);
            Add(table, Math.Max(first, 0x80), Math.Min(last, 0x7FF), parts);
            Add(table, Math.Max(first, 0x800), Math.Min(last, 0xD7FF), parts);
            Add(table, Math.Max(first, 0xE000), Math.Min(last, 0xFFFF), parts);
            Add(table, Math.Max(first, 0x10000), last, parts);
        }

        return table.Alternatives([.. parts]);
    }

    /// <summary>Cuts a range of characters with equally many bytes until each byte of one has a range of its own.</summary>
    private static void Add(ExprTable table, int first, int last, List<Expr> parts)
    {
        if (first > last) return;
        int length = Length(first);
        for (int i = 1; i < length; i++)
        {
            int low = (1 << (6 * i)) - 1;
            if ((first & ~low) == (last & ~low)) continue;
            int cut = (first & low) != 0 ? (first | low) + 1 : (last & low) != low ? last & ~low : 0;
            if (cut == 0) continue;
            Add(table, first, cut - 1, parts);
            Add(table, cut, last, parts);
            return;
        }

        Expr bytes = table.Empty;
        for (int i = length - 1; i >= 0; i--) bytes = table.Sequence(table.Bytes(ByteSet.Range(At(first, length, i), At(last, length, i))), bytes);
        parts.Add(bytes);
    }

    private static int Length(int value) => value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;

    private static byte At(int value, int length, int index)
    {
        int bits = value >> (6 * (length - 1 - index));
        return (byte)(index > 0 ? 0x80 | (bits & 0x3F) : length == 1 ? bits : (0xF00 >> length) | bits);
    }
}
