using System.Text.RegularExpressions;
using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Tokenization;

public class Llama3SplitterTests
{
    [Theory]
    [InlineData("Hello world", "Hello| world")]
    [InlineData("I'm we'LL it'S 'twas x'st", "I|'m| we|'LL| it|'S| '|twas| x|'s|t")]
    [InlineData("it'\u017F", "it|'\u017F")]
    [InlineData("12345 6", "123|45| |6")]
    [InlineData("a  b", "a| | b")]
    [InlineData("a \t b", "a| \t| b")]
    [InlineData("a\u00A0b", "a|\u00A0b")]
    [InlineData("a   ", "a|   ")]
    [InlineData("a  \n \r\n  b", "a|  \n \r\n| | b")]
    [InlineData("x;\n\ny", "x|;\n\n|y")]
    [InlineData(" !?\r\n x", " !?\r\n| x")]
    [InlineData("\t!", "\t|!")]
    [InlineData("\nb", "\n|b")]
    [InlineData("日本語", "日本語")]
    [InlineData("e\u0301a", "e|\u0301a")]
    [InlineData("𝐀𝐁𝐂 𝐀", "𝐀𝐁𝐂| 𝐀")]
    [InlineData("𝟙𝟚𝟛𝟜", "𝟙𝟚𝟛|𝟜")]
    [InlineData("🦙🦙a 🦙", "🦙🦙|a| 🦙")]
    [InlineData("🦙a", "🦙a")]
    public void FirstPiece_Repeated_CutsAsThePattern(string text, string pieces) => Assert.Equal(pieces.Split('|'), Split(text));

    [Fact]
    public void FirstPiece_LoneSurrogate_IsNoLetter() => Assert.Equal(["\uD800a", "\uDC00"], Split("\uD800a\uDC00"));

    // In the basic plane .NET's regular expressions agree with the reference, but for U+017F after an apostrophe.
    [Fact]
    public void FirstPiece_RandomTextOfTheBasicPlane_CutsAsRegularExpression()
    {
        var random = new Random(1);
        const string Common = "  \t\r\n\n''sStTrReEvVmMlLdD12345678abé,.!?\u00A0\u2028\u0301\u3000\u0660Ⅷ½字ǅʰ_";
        for (int round = 0; round < 20_000; round++)
        {
            char[] text = new char[random.Next(1, 24)];
            for (int i = 0; i < text.Length; i++)
                text[i] = random.Next(8) > 0 ? Common[random.Next(Common.Length)] : (char)random.Next(0xD800);
            string value = new string(text).Replace('\u017F', 'x');
            MatchCollection matches = Regex.Matches(value, Llama3Splitter.Pattern, RegexOptions.CultureInvariant);
            Assert.Equal(matches.Select(match => match.Value), Split(value));
        }
    }

    private static List<string> Split(string text)
    {
        var pieces = new List<string>();
        for (int start = 0; start < text.Length; start += pieces[^1].Length)
            pieces.Add(text.Substring(start, Llama3Splitter.FirstPiece(text.AsSpan(start))));
        return pieces;
    }
}
