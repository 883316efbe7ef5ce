using System.Numerics;
using Llama.Model.Grammars.Expressions;

namespace Llama.Model.Grammars.Schemas;

/// <summary>
/// Numbers within bounds as expressions over their decimal digits. Where a number is compared with another, it is written without an
/// exponent.
/// </summary>
/// <param name="table">Makes the expressions.</param>
internal sealed class NumberLanguage(ExprTable table)
{
    /// <summary>The greatest divisor whose remainders are followed.</summary>
    public const int MostRemainders = 10_000;

    private readonly Expr zero = table.Byte((byte)'0');
    private readonly Expr digit = table.Bytes(ByteSet.Range((byte)'0', (byte)'9'));
    private readonly Expr digits = table.Repeat(table.Bytes(ByteSet.Range((byte)'0', (byte)'9')), 0);
    private readonly Expr point = table.Byte((byte)'.');

    private Expr Sign => table.Optional(table.Byte((byte)'-'));

    private Expr Natural => table.Alternatives(zero, table.Sequence(Between('1', '9'), digits));

    private Expr AnyFraction => table.Optional(table.Sequence(point, digit, digits));

    /// <summary>All integers, without a point.</summary>
    public Expr Integer => table.Sequence(Sign, Natural);

    /// <summary>All numbers, without an exponent.</summary>
    public Expr Decimal => table.Sequence(Sign, Natural, AnyFraction);

    /// <summary>All numbers that JSON has and a double-precision number can come near.</summary>
    public Expr Any => table.Sequence(
        Decimal,
        table.Optional(table.Sequence(
            table.Bytes(ByteSet.Of((byte)'e').Union(ByteSet.Of((byte)'E'))),
            table.Optional(table.Bytes(ByteSet.Of((byte)'+').Union(ByteSet.Of((byte)'-')))),
            table.Alternatives(
                table.Repeat(digit, 1, 2), table.Sequence(Between('1', '2'), digit, digit), table.Sequence(table.Literal("30"), Between('0', '7'))))));

    /// <summary>All numbers from one on.</summary>
    /// <param name="bound">The number.</param>
    /// <param name="strict">Whether it is not among them itself.</param>
    public Expr AtLeast(ExactNumber bound, bool strict) => bound.Mantissa.Sign > 0
        ? MagnitudeAtLeast(bound, strict)
        : table.Alternatives(
            bound.Mantissa.IsZero && strict ? MagnitudeAtLeast(bound, true) : table.Sequence(Natural, AnyFraction),
            table.Sequence(table.Byte((byte)'-'), MagnitudeAtMost(bound.Magnitude, strict)));

    /// <summary>All numbers up to one.</summary>
    /// <param name="bound">The number.</param>
    /// <param name="strict">Whether it is not among them itself.</param>
    public Expr AtMost(ExactNumber bound, bool strict)
    {
        Expr minus = table.Byte((byte)'-');
        if (bound.Mantissa.Sign < 0) return table.Sequence(minus, MagnitudeAtLeast(bound.Magnitude, strict));
        Expr negative = bound.Mantissa.IsZero && strict ? MagnitudeAtLeast(bound, true) : table.Sequence(Natural, AnyFraction);
        return table.Alternatives(table.Sequence(minus, negative), MagnitudeAtMost(bound, strict));
    }

    /// <summary>All multiples of a number.</summary>
    /// <param name="divisor">The number, above zero.</param>
    /// <returns>Null when there are too many remainders to follow.</returns>
    public Expr? MultipleOf(ExactNumber divisor)
    {
        // With so many digits behind the point the number is N / 10^places, so N must be a multiple of what the divisor has left of its own.
        var parts = new List<Expr>();
        for (int places = 0; places <= divisor.Decimals; places++)
        {
            BigInteger step = divisor.Mantissa / BigInteger.GreatestCommonDivisor(divisor.Mantissa, BigInteger.Pow(10, divisor.Decimals - places));
            if (step > MostRemainders) return null;
            Expr fraction = places == 0 ? table.Empty : table.Sequence(point, table.Repeat(digit, places, places));
            parts.Add(table.And(table.Sequence(Sign, Natural, fraction), table.Multiple((int)step)));
        }

        return table.Alternatives([.. parts]);
    }

    /// <summary>One number, as it is usually written.</summary>
    public Expr Exactly(ExactNumber number) => table.Literal(number.ToString());

    private Expr MagnitudeAtLeast(ExactNumber bound, bool strict)
    {
        string whole = bound.IntegerDigits;
        var parts = new List<Expr> { table.Sequence(Between('1', '9'), table.Repeat(digit, whole.Length), AnyFraction) };
        for (int i = 0; i < whole.Length; i++)
            parts.Add(table.Sequence(table.Literal(whole[..i]), Above(whole[i]), Digits(whole.Length - i - 1), AnyFraction));
        parts.Add(table.Sequence(table.Literal(whole), FractionAtLeast(bound.FractionDigits, strict)));
        return table.Alternatives([.. parts]);
    }

    private Expr MagnitudeAtMost(ExactNumber bound, bool strict)
    {
        string whole = bound.IntegerDigits;
        var parts = new List<Expr>();
        if (whole.Length > 1) parts.Add(table.Sequence(zero, AnyFraction));
        if (whole.Length > 2) parts.Add(table.Sequence(Between('1', '9'), table.Repeat(digit, 0, whole.Length - 2), AnyFraction));
        else if (whole.Length == 2) parts.Add(table.Sequence(Between('1', '9'), AnyFraction));
        for (int i = 0; i < whole.Length; i++)
        {
            Expr below = whole[i] == '0' ? table.Nothing : Between(i == 0 && whole.Length > 1 ? '1' : '0', (char)(whole[i] - 1));
            parts.Add(table.Sequence(table.Literal(whole[..i]), below, Digits(whole.Length - i - 1), AnyFraction));
        }

        parts.Add(table.Sequence(table.Literal(whole), FractionAtMost(bound.FractionDigits, strict)));
        return table.Alternatives([.. parts]);
    }

    private Expr FractionAtLeast(string bound, bool strict)
    {
        Expr positive = table.Sequence(table.Repeat(zero, 0), Between('1', '9'), digits);
        if (bound.Length == 0) return strict ? table.Sequence(point, positive) : AnyFraction;
        var parts = new List<Expr>();
        for (int i = 0; i < bound.Length; i++) parts.Add(table.Sequence(table.Literal(bound[..i]), Above(bound[i]), digits));
        parts.Add(table.Sequence(table.Literal(bound), strict ? positive : digits));
        return table.Sequence(point, table.Alternatives([.. parts]));
    }

    private Expr FractionAtMost(string bound, bool strict)
    {
        if (bound.Length == 0) return strict ? table.Nothing : table.Optional(table.Sequence(point, table.Repeat(zero, 1)));
        var parts = new List<Expr>();
        for (int i = 0; i < bound.Length; i++)
        {
            if (i > 0) parts.Add(table.Literal(bound[..i]));
            if (bound[i] > '0') parts.Add(table.Sequence(table.Literal(bound[..i]), Between('0', (char)(bound[i] - 1)), digits));
        }

        if (!strict) parts.Add(table.Sequence(table.Literal(bound), table.Repeat(zero, 0)));
        return table.Optional(table.Sequence(point, table.Alternatives([.. parts])));
    }

    private Expr Above(char value) => value == '9' ? table.Nothing : Between((char)(value + 1), '9');

    private Expr Digits(int count) => table.Repeat(digit, count, count);

    private Expr Between(char first, char last) => table.Bytes(ByteSet.Range((byte)first, (byte)last));
}
