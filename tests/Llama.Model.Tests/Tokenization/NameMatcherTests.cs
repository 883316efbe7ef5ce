using Llama.Model.Tokenization;

namespace Llama.Model.Tests.Tokenization;

public class NameMatcherTests
{
    private static readonly NameMatcher Matcher = new(new Dictionary<string, int> { ["<a>"] = 1, ["<a><b>"] = 2, ["x"] = 3 });

    [Theory]
    [InlineData("..<a>", 2, 3, 1)]
    [InlineData("<a><b>", 0, 6, 2)]
    [InlineData("<a><bx", 0, 3, 1)]
    [InlineData("<<ax", 3, 1, 3)]
    [InlineData("<a", -1, 0, 0)]
    [InlineData("", -1, 0, 0)]
    public void IndexIn_Text_FindsFirstAndLongestName(string text, int index, int length, int id)
    {
        Assert.Equal(index, Matcher.IndexIn(text, out int foundLength, out int foundId));
        Assert.Equal((length, id), (foundLength, foundId));
    }

    // As tokenizers 0.23 finds added tokens with these flags.
    [Theory]
    [InlineData("a  <l> b", 1, 5, 1)]
    [InlineData("a <r> \n b", 2, 6, 2)]
    [InlineData("a <b>\u00A0b", 1, 5, 3)]
    [InlineData("xword word", 6, 4, 4)]
    [InlineData("word1 wordé word_ -word-", 19, 4, 4)]
    [InlineData("wordword", -1, 0, 0)]
    [InlineData("  <l>", 0, 5, 1)]
    public void IndexIn_Rules_StripWhiteSpaceAndKeepWordsWhole(string text, int index, int length, int id)
    {
        var matcher = new NameMatcher(
            new Dictionary<string, int> { ["<l>"] = 1, ["<r>"] = 2, ["<b>"] = 3, ["word"] = 4 },
            new Dictionary<string, NameRule>
            {
                ["<l>"] = new(StripLeft: true, false, false),
                ["<r>"] = new(false, StripRight: true, false),
                ["<b>"] = new(true, true, false),
                ["word"] = new(false, false, SingleWord: true),
            });
        Assert.Equal(index, matcher.IndexIn(text, out int foundLength, out int foundId));
        Assert.Equal((length, id), (foundLength, foundId));
    }

    [Fact]
    public void IndexIn_WithoutNames_FindsNone() => Assert.Equal(-1, new NameMatcher([]).IndexIn("text", out _, out _));

    [Fact]
    public void Find_Name_GivesItsId()
    {
        Assert.Equal(2, Matcher.Find("<a><b>"));
        Assert.Null(Matcher.Find("<b>"));
    }
}
