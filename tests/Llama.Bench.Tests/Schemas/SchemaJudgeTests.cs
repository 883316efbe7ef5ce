using System.Text.Json.Nodes;
using Llama.Bench.Schemas;

namespace Llama.Bench.Tests.Schemas;

public class SchemaJudgeTests
{
    private static readonly JsonNode Schema = JsonNode.Parse("""{"type":"array","items":{"type":"string","maxLength":5},"minItems":2,"maxItems":3}""")!;

    [Theory]
    [InlineData("stop", """["ab","c"]""")]
    [InlineData("stop", """["\u0662\u065babc","\r\nabc"]""")]
    [InlineData("length", """["ab",""")]
    [InlineData("length", "[\"a\uFFFD")]
    [InlineData("length", "")]
    public void FindFault_AValidAnswerOrTheBeginningOfOne_IsNone(string finish, string text) => Assert.Null(Judge(finish, text));

    [Theory]
    [InlineData("stop", """["ab"]""")]
    [InlineData("stop", """["ab","c""")]
    [InlineData("stop", """["\u0662\u065babcd","c"]""")]
    [InlineData("length", """["ab"]""")]
    [InlineData("length", """["abcdef""")]
    [InlineData("length", "{")]
    public void FindFault_AnotherAnswer_IsNamed(string finish, string text) => Assert.NotNull(Judge(finish, text));

    [Fact]
    public void Make_TheSameSeed_IsTheSameRequest()
    {
        string first = SchemaRequest.Make(7, 64).Body.ToJsonString();
        Assert.Equal(first, SchemaRequest.Make(7, 64).Body.ToJsonString());
        Assert.NotEqual(first, SchemaRequest.Make(8, 64).Body.ToJsonString());
    }

    private static string? Judge(string finish, string text) => SchemaJudge.FindFault(Schema, new SchemaAnswer(finish, text, []), new Random(1));
}
