using Llama.Grains.Placement;

namespace Llama.Grains.Tests.Placement;

public sealed class LayerRangesTests
{
    [Fact]
    public void Parse_RangesThatCoverTheLayers_AreTheSpans()
    {
        Assert.Equal([new LayerSpan(0, 6), new LayerSpan(6, 12)], LayerRanges.Parse("0-6,6-12", 12));
        Assert.Equal([new LayerSpan(0, 1), new LayerSpan(1, 2), new LayerSpan(2, 5)], LayerRanges.Parse(" 0-1 , 1-2,2-5 ", 5));
        Assert.Equal([new LayerSpan(0, 80)], LayerRanges.Parse("0-80", 80));
    }

    [Theory]
    [InlineData("", "'' is no range; expected first-end, such as 0-12")]
    [InlineData("0-6,", "'' is no range")]
    [InlineData("0", "'0' is no range")]
    [InlineData("0-6-12", "'0-6-12' is no range")]
    [InlineData("a-b", "'a-b' is no range")]
    [InlineData("-6", "'-6' is no range")]
    [InlineData("0-99999999999", "'0-99999999999' is no range")]
    [InlineData("0-6,7-12", "'7-12' was found where a range from layer 6 was expected")]
    [InlineData("0-6,5-12", "'5-12' was found where a range from layer 6 was expected")]
    [InlineData("1-12", "'1-12' was found where a range from layer 0 was expected")]
    [InlineData("0-0", "'0-0' was found")]
    [InlineData("0-6,6-6,6-12", "'6-6' was found")]
    [InlineData("0-6", "ends at layer 6; the model has 12")]
    [InlineData("0-13", "ends at layer 13; the model has 12")]
    public void Parse_RangesWithAFault_NamesIt(string text, string expected)
    {
        FormatException fault = Assert.Throws<FormatException>(() => LayerRanges.Parse(text, 12));
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        Assert.StartsWith("--ranges: ", fault.Message, StringComparison.Ordinal);
    }
}
