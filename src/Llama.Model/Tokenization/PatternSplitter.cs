using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Llama.Model.Tokenization;

/// <summary>
/// Cuts a text by regular expressions, one after the other: each cuts the pieces that those before it left, into its matches and what lies
/// between. .NET's expressions see the two surrogates of a character outside the basic plane as two things, neither a letter nor a digit;
/// therefore they get a text of as many units as it has characters, in which such a character is one of the basic plane that is alike.
/// </summary>
/// <param name="patterns">The expressions; none takes more than linear time.</param>
internal sealed class PatternSplitter(IReadOnlyList<Regex> patterns)
{
    // One of the basic plane for each general category: no ASCII, and in none of the ranges that DeepSeek's patterns spell out.
    private static readonly Dictionary<UnicodeCategory, char> Alike = new()
    {
        [UnicodeCategory.UppercaseLetter] = '\uA790',
        [UnicodeCategory.LowercaseLetter] = '\uA791',
        [UnicodeCategory.ModifierLetter] = '\u02B0',
        [UnicodeCategory.OtherLetter] = '\u01BB',
        [UnicodeCategory.NonSpacingMark] = '\u0300',
        [UnicodeCategory.SpacingCombiningMark] = '\uA823',
        [UnicodeCategory.EnclosingMark] = '\u0488',
        [UnicodeCategory.DecimalDigitNumber] = '\u0660',
        [UnicodeCategory.LetterNumber] = '\uA6E6',
        [UnicodeCategory.OtherNumber] = '\u00B2',
        [UnicodeCategory.ConnectorPunctuation] = '\uFE33',
        [UnicodeCategory.DashPunctuation] = '\u058A',
        [UnicodeCategory.OpenPunctuation] = '\uFE35',
        [UnicodeCategory.ClosePunctuation] = '\uFE36',
        [UnicodeCategory.OtherPunctuation] = '\u00A1',
        [UnicodeCategory.MathSymbol] = '\u00AC',
        [UnicodeCategory.CurrencySymbol] = '\u00A2',
        [UnicodeCategory.ModifierSymbol] = '\u00A8',
        [UnicodeCategory.OtherSymbol] = '\u00A9',
        [UnicodeCategory.Format] = '\u00AD',
        [UnicodeCategory.PrivateUse] = '\uE000',
    };

    /// <summary>Cuts a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="lengths">Receives the lengths of the pieces, in UTF-16 units.</param>
    public void Split(ReadOnlySpan<char> text, List<int> lengths)
    {
        var units = new char[text.Length];
        int count = 0;
        for (int at = 0; at < text.Length; count++)
        {
            Rune.DecodeFromUtf16(text[at..], out Rune rune, out int length);
            units[count] = rune.IsBmp ? (char)rune.Value : UnitOf(rune);
            at += length;
        }

        List<int> pieces = [count];
        foreach (Regex pattern in patterns) pieces = Cut(units, pieces, pattern);
        if (count == text.Length)
        {
            lengths.AddRange(pieces);
            return;
        }

        int place = 0;
        foreach (int piece in pieces)
        {
            int start = place;
            for (int i = 0; i < piece; i++)
            {
                Rune.DecodeFromUtf16(text[place..], out _, out int length);
                place += length;
            }

            lengths.Add(place - start);
        }
    }

    private static List<int> Cut(char[] units, List<int> pieces, Regex pattern)
    {
        var cut = new List<int>(pieces.Count);
        int start = 0;
        foreach (int piece in pieces)
        {
            int done = 0;
            foreach (ValueMatch match in pattern.EnumerateMatches(units.AsSpan(start, piece)))
            {
                if (match.Index > done) cut.Add(match.Index - done);
                cut.Add(match.Length);
                done = match.Index + match.Length;
            }

            if (done < piece) cut.Add(piece - done);
            start += piece;
        }

        return cut;
    }

    // The cased letters that DeepSeek's pattern has outside the basic plane become cased letters that it has within.
    private static char UnitOf(Rune rune)
    {
        UnicodeCategory category = Rune.GetUnicodeCategory(rune);
        bool cased = rune.Value is (>= 0x10400 and <= 0x1044F) or (>= 0x104B0 and <= 0x104FB) or (>= 0x10C80 and <= 0x10CF2)
            or (>= 0x118A0 and <= 0x118DF) or (>= 0x1E900 and <= 0x1E943);
        return cased && category is UnicodeCategory.UppercaseLetter ? '\u00C0'
            : cased && category is UnicodeCategory.LowercaseLetter ? '\u00E0'
            : Alike.GetValueOrDefault(category, '\uFFFF');
    }
}
