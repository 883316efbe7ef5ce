using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;
using Llama.Model.Grammars;

namespace Llama.Gateway.Tests.Api.Generation;

public sealed class GrammarFieldsTests(SharedGateway shared) : IClassFixture<SharedGateway>
{
    [Theory]
    [InlineData("""{"response_format":{"type":"json_object"},"grammar":"root ::= \"a\""}""", "grammar", "An answer can follow one grammar; found response_format and grammar.")]
    [InlineData("""{"structured_outputs":{"regex":"a","choice":["b"]}}""", "structured_outputs.choice", "found structured_outputs.regex and structured_outputs.choice.")]
    [InlineData("""{"response_format":{"type":"json_schema"}}""", "response_format.json_schema", "response_format.json_schema is missing; expected an object.")]
    [InlineData("""{"response_format":{"type":"json_schema","json_schema":{"name":"x"}}}""", "response_format.json_schema.schema", "is missing; expected a JSON schema.")]
    [InlineData("""{"response_format":{}}""", "response_format.type", "is missing; expected \"text\", \"json_object\" or \"json_schema\".")]
    [InlineData("""{"response_format":{"type":"structural_tag"}}""", "response_format.type", "found the string \"structural_tag\".")]
    [InlineData("""{"response_format":{"type":"json_schema","json_schema":{"schema":{"not":{}}}}}""", "response_format.json_schema.schema", "not at the root is not supported")]
    [InlineData("""{"json_schema":{"uniqueItems":true}}""", "json_schema", "json_schema cannot be followed: uniqueItems at the root is not supported.")]
    [InlineData("""{"structured_outputs":{"json":"{"}}""", "structured_outputs.json", "It is no JSON")]
    [InlineData("""{"structured_outputs":{"regex":"(?=a)"}}""", "structured_outputs.regex", "look-around")]
    [InlineData("""{"structured_outputs":{"choice":[]}}""", "structured_outputs.choice", "found an empty list")]
    [InlineData("""{"structured_outputs":{"structural_tag":{}}}""", "structured_outputs.structural_tag", "is not supported")]
    [InlineData("""{"grammar":"a ::= \"b\""}""", "grammar", "has no rule 'root'")]
    [InlineData("""{"ignore_eos":true,"response_format":{"type":"json_object"}}""", "ignore_eos", "ignore_eos goes on behind the end")]
    public async Task Post_WhatIsNoGrammar_Answers400NamingTheFieldAndTheKeyword(string fields, string param, string message)
    {
        foreach (var (path, prompt) in ((string, string)[])[("/v1/completions", "\"prompt\":\"Hi\""), ("/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]")])
        {
            var error = await shared.Gateway.PostErrorAsync(path, $"{{{prompt},{fields[1..]}");
            Assert.Equal((400, param), (error.Status, error.Param));
            Assert.Contains(message, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Post_Grammar_GoesWithTheRequestToTheGrain()
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer { EndTokens = [TestTokenizer.End] });
        await gateway.PostOkAsync("/v1/chat/completions", """{"messages":[{"role":"user","content":"Hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":{"type":"null"}}}}""");
        await gateway.PostOkAsync("/v1/completions", """{"prompt":"Hi","structured_outputs":{"choice":["a","b"]}}""");
        List<AnswerGrammar> grammars = [.. gateway.Grain.Requests.Select(request => request.Grammar!)];
        Assert.Equal([(GrammarKind.JsonSchema, """{"type":"null"}""", true), (GrammarKind.Choice, """["a","b"]""", false)], grammars.Select(one => (one.Kind, one.Text, one.StartsText)));
        Assert.All(gateway.Grain.Requests, request => Assert.Contains(TestTokenizer.End, request.StopTokens));
    }

    [Fact]
    public async Task Post_GrammarForAModelWithoutATokenizer_Answers400()
    {
        await using var gateway = await TestGateway.StartAsync(null);
        var error = await gateway.PostErrorAsync("/v1/completions", """{"prompt":[1],"response_format":{"type":"json_object"}}""");
        error.Is(400, "response_format", "The model has no tokenizer");
    }
}
