using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Llama.Model.Grammars.Schemas;

/// <summary>A number as JSON has it, exactly: <c>Mantissa · 10^-Decimals</c>, in lowest terms.</summary>
internal readonly record struct ExactNumber : IComparable<ExactNumber>
{
    private const int MostDigits = 400;

    private ExactNumber(BigInteger mantissa, int decimals) => (Mantissa, Decimals) = (mantissa, decimals);

    /// <summary>The digits.</summary>
    public BigInteger Mantissa { get; }

    /// <summary>How many of them are behind the point; never negative.</summary>
    public int Decimals { get; }

    /// <summary>Whether it has no digits behind the point.</summary>
    public bool IsInteger => Decimals == 0;

    /// <summary>Its magnitude.</summary>
    public ExactNumber Magnitude => new(BigInteger.Abs(Mantissa), Decimals);

    /// <summary>The digits before the point, without sign or leading zeros.</summary>
    public string IntegerDigits => Digits[..^Decimals];

    /// <summary>The digits behind the point; the last is no zero.</summary>
    public string FractionDigits => Digits[^Decimals..];

    private string Digits => BigInteger.Abs(Mantissa).ToString(CultureInfo.InvariantCulture).PadLeft(Decimals + 1, '0');

    /// <summary>Reads a number.</summary>
    /// <param name="value">The number.</param>
    /// <param name="number">The same.</param>
    /// <returns>False when it has more digits than can be compared.</returns>
    public static bool TryRead(JsonElement value, out ExactNumber number)
    {
        string text = value.GetRawText();
        int exponentAt = text.AsSpan().IndexOfAny('e', 'E');
        number = default;
        int exponent = 0;
        if (exponentAt >= 0 && (!int.TryParse(text.AsSpan(exponentAt + 1), CultureInfo.InvariantCulture, out exponent) || Math.Abs((long)exponent) > MostDigits))
            return false;
        string digits = exponentAt < 0 ? text : text[..exponentAt];
        if (digits.Length > MostDigits) return false;
        int point = digits.IndexOf('.', StringComparison.Ordinal);
        if (point >= 0) (digits, exponent) = (digits.Remove(point, 1), exponent - (digits.Length - 1 - point));
        number = Normal(BigInteger.Parse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture), -exponent);
        return true;
    }

    /// <inheritdoc/>
    public int CompareTo(ExactNumber other)
    {
        int decimals = Math.Max(Decimals, other.Decimals);
        return Scaled(decimals).CompareTo(other.Scaled(decimals));
    }

    /// <summary>Its digits with so many behind the point, as an integer.</summary>
    /// <param name="decimals">At least <see cref="Decimals"/>.</param>
    public BigInteger Scaled(int decimals) => Mantissa * BigInteger.Pow(10, decimals - Decimals);

    /// <summary>Whether it is a multiple of another, which is not zero.</summary>
    public bool IsMultipleOf(ExactNumber other)
    {
        int decimals = Math.Max(Decimals, other.Decimals);
        return (Scaled(decimals) % other.Scaled(decimals)).IsZero;
    }

    /// <inheritdoc/>
    public override string ToString() =>
        (Mantissa.Sign < 0 ? "-" : "") + IntegerDigits + (IsInteger ? "" : "." + FractionDigits);

    private static ExactNumber Normal(BigInteger mantissa, int decimals)
    {
        if (decimals < 0) (mantissa, decimals) = (mantissa * BigInteger.Pow(10, -decimals), 0);
        while (decimals > 0 && (mantissa % 10).IsZero) (mantissa, decimals) = (mantissa / 10, decimals - 1);
        return new ExactNumber(mantissa, decimals);
    }
}
