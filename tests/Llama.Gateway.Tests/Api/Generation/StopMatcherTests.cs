using Llama.Gateway.Api.Generation;

namespace Llama.Gateway.Tests.Api.Generation;

public sealed class StopMatcherTests
{
    [Fact]
    public void Append_StopAcrossPieces_HoldsBackItsBeginningAndCutsBeforeIt()
    {
        var matcher = new StopMatcher(new StopStrings(["END"]));
        Assert.Equal("a ", matcher.Append("a E"));
        Assert.Equal("", matcher.Append("N"));
        Assert.False(matcher.Stopped);
        Assert.Equal("", matcher.Append("D and more"));
        Assert.True(matcher.Stopped);
        Assert.Equal("", matcher.Flush());
    }

    [Fact]
    public void Append_BeginningThatDoesNotGoOn_IsReleased()
    {
        var matcher = new StopMatcher(new StopStrings(["END"]));
        Assert.Equal("", matcher.Append("EN"));
        Assert.Equal("EN", matcher.Append("EN"));
        Assert.Equal("ENT", matcher.Append("T"));
        Assert.Equal("", matcher.Append("E"));
        Assert.Equal("E", matcher.Flush());
    }

    [Fact]
    public void Append_StopThatRepeatsItself_IsFoundAtItsFirstPlace()
    {
        var matcher = new StopMatcher(new StopStrings(["aab"]));
        Assert.Equal("aa", matcher.Append("aaaa"));
        Assert.Equal("", matcher.Append("b"));
        Assert.True(matcher.Stopped);
    }

    [Fact]
    public void Append_TwoStopsEndAtOneCharacter_CutsBeforeTheLonger()
    {
        var matcher = new StopMatcher(new StopStrings(["c", "abc"]));
        Assert.Equal("x", matcher.Append("xab"));
        Assert.Equal("", matcher.Append("c"));
        Assert.True(matcher.Stopped);
    }

    [Fact]
    public void Append_AnyCutIntoPieces_GivesTheTextBeforeTheFirstStop()
    {
        const string alphabet = "ab\n";
        var random = new Random(3);
        for (var round = 0; round < 2000; round++)
        {
            var text = RandomText(random, alphabet, 1 + random.Next(30));
            string[] stops = [RandomText(random, alphabet, 1 + random.Next(4)), RandomText(random, alphabet, 1 + random.Next(4))];
            var matcher = new StopMatcher(new StopStrings(stops));
            var emitted = "";
            for (var at = 0; at < text.Length && !matcher.Stopped;)
            {
                var length = Math.Min(1 + random.Next(5), text.Length - at);
                emitted += matcher.Append(text.Substring(at, length));
                at += length;
            }

            emitted += matcher.Flush();
            Assert.Equal(CutByDefinition(text, stops), emitted);
        }
    }

    private static string CutByDefinition(string text, string[] stops)
    {
        for (var end = 1; end <= text.Length; end++)
        {
            var found = stops.Where(stop => text[..end].EndsWith(stop, StringComparison.Ordinal)).ToList();
            if (found.Count > 0) return text[..(end - found.Max(stop => stop.Length))];
        }

        return text;
    }

    private static string RandomText(Random random, string alphabet, int length) =>
        string.Concat(Enumerable.Range(0, length).Select(_ => alphabet[random.Next(alphabet.Length)]));
}
