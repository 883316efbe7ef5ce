using System.Globalization;

namespace Llama.Model.Grammars.Text;

/// <summary>A set of Unicode code points, as ranges in order that neither touch nor overlap.</summary>
internal sealed class CodePoints
{
    /// <summary>The greatest code point.</summary>
    public const int Last = 0x10FFFF;

    private static readonly Lazy<byte[]> Categories = new(() =>
        [.. Enumerable.Range(0, Last + 1).Select(value => (byte)CharUnicodeInfo.GetUnicodeCategory(value))]);

    private CodePoints(IEnumerable<(int First, int Last)> ranges)
    {
        var merged = new List<(int First, int Last)>();
        foreach ((int first, int last) in ranges.Order())
        {
            if (merged.Count > 0 && first <= merged[^1].Last + 1) merged[^1] = (merged[^1].First, Math.Max(last, merged[^1].Last));
            else merged.Add((first, last));
        }

        Ranges = merged;
    }

    /// <summary>Every code point.</summary>
    public static CodePoints All { get; } = Of((0, Last));

    /// <summary>The digits of ASCII.</summary>
    public static CodePoints Digits { get; } = Of(('0', '9'));

    /// <summary>Letters and digits of ASCII, and the underscore.</summary>
    public static CodePoints Word { get; } = Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'));

    /// <summary>What ECMA-262 takes for white space.</summary>
    public static CodePoints Space { get; } = Of(
        (0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F),
        (0x3000, 0x3000), (0xFEFF, 0xFEFF));

    /// <summary>What ends a line in ECMA-262.</summary>
    public static CodePoints LineEnds { get; } = Of((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029));

    /// <summary>The ranges.</summary>
    public IReadOnlyList<(int First, int Last)> Ranges { get; }

    /// <summary>Some ranges, in any order.</summary>
    public static CodePoints Of(params IEnumerable<(int First, int Last)> ranges) => new(ranges);

    /// <summary>The code points of Unicode's general categories.</summary>
    public static CodePoints Of(Func<UnicodeCategory, bool> categories)
    {
        byte[] all = Categories.Value;
        var ranges = new List<(int First, int Last)>();
        for (int value = 0; value <= Last; value++)
        {
            if (!categories((UnicodeCategory)all[value])) continue;
            int first = value;
            while (value < Last && categories((UnicodeCategory)all[value + 1])) value++;
            ranges.Add((first, value));
        }

        return new CodePoints(ranges);
    }

    /// <summary>What is in one of two sets.</summary>
    public CodePoints Union(CodePoints other) => new(Ranges.Concat(other.Ranges));

    /// <summary>What is not in the set.</summary>
    public CodePoints Complement()
    {
        var ranges = new List<(int First, int Last)>();
        int next = 0;
        foreach ((int first, int last) in Ranges)
        {
            if (first > next) ranges.Add((next, first - 1));
            next = last + 1;
        }

        if (next <= Last) ranges.Add((next, Last));
        return new CodePoints(ranges);
    }

    /// <summary>What is in this set and not in another.</summary>
    public CodePoints Except(CodePoints other) => Complement().Union(other).Complement();

    /// <summary>Whether a code point is in it.</summary>
    public bool Contains(int value) => Ranges.Any(range => value >= range.First && value <= range.Last);
}
