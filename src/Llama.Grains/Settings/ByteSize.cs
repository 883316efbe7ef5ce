using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Llama.Grains.Settings;

/// <summary>A number of bytes, written plainly or with a unit: <c>1048576</c>, <c>1MiB</c>, <c>1.5 GiB</c>, <c>20GB</c>.</summary>
/// <param name="Bytes">The number of bytes; not negative.</param>
[TypeConverter(typeof(ByteSizeConverter))]
public readonly record struct ByteSize(long Bytes) : IComparable<ByteSize>, IComparable, IParsable<ByteSize>
{
    private static readonly (string Name, long Bytes)[] Units =
    [
        ("TiB", 1L << 40), ("GiB", 1L << 30), ("MiB", 1L << 20), ("KiB", 1L << 10),
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000),
        ("B", 1),
    ];

    /// <summary>Parses a size.</summary>
    /// <param name="s">The text.</param>
    /// <param name="provider">Not used: a size is written the same way everywhere.</param>
    /// <exception cref="FormatException">The text is not a size, or more than a <see cref="long"/> holds.</exception>
    public static ByteSize Parse(string s, IFormatProvider? provider = null)
        => TryParse(s, provider, out ByteSize result) ? result : throw new FormatException($"'{s}' is not a size in bytes like 512MiB.");

    /// <summary>Parses a size; false where the text is none.</summary>
    /// <param name="s">The text.</param>
    /// <param name="provider">Not used: a size is written the same way everywhere.</param>
    /// <param name="result">The size.</param>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out ByteSize result)
    {
        result = default;
        ReadOnlySpan<char> number = s.AsSpan().Trim();
        long unit = 1;
        foreach ((string name, long bytes) in Units)
        {
            if (!number.EndsWith(name, StringComparison.OrdinalIgnoreCase))
                continue;
            number = number[..^name.Length].TrimEnd();
            unit = bytes;
            break;
        }

        if (!decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal count)
            || count > (decimal)long.MaxValue / unit)
        {
            return false;
        }

        result = new((long)(count * unit));
        return true;
    }

    /// <inheritdoc/>
    public int CompareTo(ByteSize other) => Bytes.CompareTo(other.Bytes);

    /// <inheritdoc/>
    public int CompareTo(object? obj) => obj is ByteSize other ? CompareTo(other) : 1;

    /// <summary>Whether the left size is smaller.</summary>
    public static bool operator <(ByteSize left, ByteSize right) => left.Bytes < right.Bytes;

    /// <summary>Whether the left size is larger.</summary>
    public static bool operator >(ByteSize left, ByteSize right) => left.Bytes > right.Bytes;

    /// <summary>Whether the left size is not larger.</summary>
    public static bool operator <=(ByteSize left, ByteSize right) => left.Bytes <= right.Bytes;

    /// <summary>Whether the left size is not smaller.</summary>
    public static bool operator >=(ByteSize left, ByteSize right) => left.Bytes >= right.Bytes;

    /// <summary>The size in the largest binary unit that divides it: what <see cref="Parse"/> reads back as the same size.</summary>
    public override string ToString()
    {
        foreach ((string name, long bytes) in Units.AsSpan(0, 4))
        {
            if (Bytes >= bytes && Bytes % bytes == 0)
                return string.Create(CultureInfo.InvariantCulture, $"{Bytes / bytes}{name}");
        }

        return Bytes.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Lets a <see cref="System.ComponentModel.DataAnnotations.RangeAttribute"/> be written over sizes.</summary>
    private sealed class ByteSizeConverter : TypeConverter
    {
        public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string);

        public override object? ConvertFrom(ITypeDescriptorContext? context, CultureInfo? culture, object value) => Parse((string)value);
    }
}
