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

    [Fact]
    public void IndexIn_WithoutNames_FindsNone() => Assert.Equal(-1, new NameMatcher([]).IndexIn("text", out _, out _));

    [Fact]
    public void Find_Name_GivesItsId()
    {
        Assert.Equal(2, Matcher.Find("<a><b>"));
        Assert.Null(Matcher.Find("<b>"));
    }
}
