using System.Text.Json;
using Llama.Bench.Chaos;

namespace Llama.Bench.Tests.Chaos;

public class ChaosAnswerTests
{
    private const string Whole =
        """{"choices":[{"index":0,"text":"ab","logprobs":{"token_logprobs":[-0.1,-0.25]},"finish_reason":"length","token_ids":[5,6]}]}""";

    [Fact]
    public void Take_PartsAndTheWhole_AreEqual()
    {
        var parts = new ChaosAnswer();
        parts.Take("""{"choices":[{"index":0,"text":"a","logprobs":{"token_logprobs":[-0.1]},"finish_reason":null,"token_ids":[5]}]}""");
        parts.Take("""{"choices":[{"index":0,"text":"b","logprobs":{"token_logprobs":[-0.25]},"finish_reason":"length","token_ids":[6]}]}""");
        Assert.Equal("0: length [5,6] [-0.1,-0.25] \"ab\"", Of(Whole));
        Assert.Equal(Of(Whole), parts.ToString());
    }

    [Theory]
    [InlineData("ab", "ac")]
    [InlineData("-0.25", "-0.250001")]
    [InlineData("[5,6]", "[5,7]")]
    [InlineData("length", "stop")]
    public void ToString_AnyDifference_Shows(string found, string other) => Assert.NotEqual(Of(Whole), Of(Whole.Replace(found, other)));

    [Theory]
    [InlineData("""{"error":{"message":"no"}}""")]
    [InlineData("""{"choices":[{}]}""")]
    [InlineData("[]")]
    public void Take_NoAnswer_Throws(string body) => Assert.Throws<JsonException>(() => new ChaosAnswer().Take(body));

    private static string Of(string body)
    {
        var answer = new ChaosAnswer();
        answer.Take(body);
        return answer.ToString();
    }
}
