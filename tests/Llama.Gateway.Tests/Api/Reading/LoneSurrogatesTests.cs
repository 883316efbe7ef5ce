using System.Text;
using Llama.Gateway.Api.Reading;

namespace Llama.Gateway.Tests.Api.Reading;

public sealed class LoneSurrogatesTests
{
    [Theory]
    [InlineData("""{"a":"\ud800"}""", """{"a":"\ufffd"}""")]
    [InlineData("""{"a":"\udc00\ud800x"}""", """{"a":"\ufffd\ufffdx"}""")]
    [InlineData("""{"a":"\ud83d\ude00"}""", """{"a":"\ud83d\ude00"}""")]
    [InlineData("""{"a":"\ud83d\ud83d\ude00"}""", """{"a":"\ufffd\ud83d\ude00"}""")]
    [InlineData("""{"a":"\\ud800\\\uD800"}""", """{"a":"\\ud800\\\ufffd"}""")]
    [InlineData("""{"\ud800":"\n\u00e9"}""", """{"\ufffd":"\n\u00e9"}""")]
    [InlineData("""{"a":"\ud8""", """{"a":"\ud8""")]
    [InlineData("""\""", """\""")]
    public void Replace_Json_RewritesOnlyLoneSurrogates(string json, string expected)
    {
        var bytes = Encoding.UTF8.GetBytes(json);
        LoneSurrogates.Replace(bytes);
        Assert.Equal(expected, Encoding.UTF8.GetString(bytes));
    }
}
