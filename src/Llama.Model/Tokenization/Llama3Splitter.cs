using System.Globalization;
using System.Text;

namespace Llama.Model.Tokenization;

/// <summary>
/// Cuts a text where Llama 3's pattern does; tokens never cross these cuts. A scanner over Unicode scalars, because .NET's
/// regular expressions see the two surrogates of a character outside the basic plane as two things, neither a letter nor a digit.
/// </summary>
internal static class Llama3Splitter
{
    /// <summary>The pattern as <c>tokenizer.json</c> and Meta's tokenizer write it.</summary>
    public const string Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>The same with digits one by one, as Qwen 2 has it.</summary>
    public const string OneDigitPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private enum Kind
    {
        End,
        Letter,
        Number,
        LineBreak,
        Space,
        Other,
    }

    /// <summary>The length of the first piece of a text, in UTF-16 units.</summary>
    /// <param name="text">What is left of the text; not empty.</param>
    /// <param name="mostDigits">Most digits of a piece.</param>
    public static int FirstPiece(ReadOnlySpan<char> text, int mostDigits = 3)
    {
        int contraction = Contraction(text);
        if (contraction > 0) return contraction;

        Kind first = KindAt(text, 0, out int firstLength);
        Kind second = KindAt(text, firstLength, out _);
        switch (first)
        {
            // [^\r\n\p{L}\p{N}]?\p{L}+
            case Kind.Letter:
            case Kind.Space or Kind.Other when second == Kind.Letter:
                return SkipAll(text, firstLength, Kind.Letter);

            // \p{N}{1,3}
            case Kind.Number:
                int end = firstLength;
                for (int digits = 1; digits < mostDigits && KindAt(text, end, out int length) == Kind.Number; digits++)
                    end += length;
                return end;

            // " ?[^\s\p{L}\p{N}]+[\r\n]*"
            case Kind.Other:
            case Kind.Space when text[0] == ' ' && second == Kind.Other:
                return SkipAll(text, SkipAll(text, firstLength, Kind.Other), Kind.LineBreak);

            default:
                return WhiteSpace(text);
        }
    }

    // \s*[\r\n]+ ends after the last line break of the run; \s+(?!\S) leaves one for what follows, unless nothing does; \s+ takes one.
    private static int WhiteSpace(ReadOnlySpan<char> text)
    {
        int end = 0;
        int afterLineBreak = 0;
        Kind kind;
        while ((kind = KindAt(text, end, out int length)) is Kind.Space or Kind.LineBreak)
        {
            end += length;
            if (kind == Kind.LineBreak) afterLineBreak = end;
        }
        if (afterLineBreak > 0) return afterLineBreak;
        return kind == Kind.End || end == 1 ? end : end - 1; // White space lies in the basic plane: one unit each.
    }

    // (?i:'s|'t|'re|'ve|'m|'ll|'d). Unicode's simple case folding, which the reference uses, makes U+017F an s.
    private static int Contraction(ReadOnlySpan<char> text)
    {
        if (text.Length < 2 || text[0] != '\'') return 0;
        char first = char.ToLowerInvariant(text[1]);
        if (first is 's' or '\u017F' or 't' or 'm' or 'd') return 2;
        if (text.Length < 3) return 0;
        return (first, char.ToLowerInvariant(text[2])) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    private static int SkipAll(ReadOnlySpan<char> text, int start, Kind kind)
    {
        while (KindAt(text, start, out int length) == kind)
            start += length;
        return start;
    }

    private static Kind KindAt(ReadOnlySpan<char> text, int index, out int length)
    {
        if (index == text.Length)
        {
            length = 0;
            return Kind.End;
        }
        Rune.DecodeFromUtf16(text[index..], out Rune rune, out length);
        if (rune.Value is '\r' or '\n') return Kind.LineBreak;
        if (Rune.IsWhiteSpace(rune)) return Kind.Space;
        return Rune.GetUnicodeCategory(rune) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
                or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Kind.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Kind.Number,
            _ => Kind.Other,
        };
    }
}
