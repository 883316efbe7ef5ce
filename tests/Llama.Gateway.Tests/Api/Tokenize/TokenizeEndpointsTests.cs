using System.Text.Json;
using Llama.Gateway.Tests.Hosting;

namespace Llama.Gateway.Tests.Api.Tokenize;

public sealed class TokenizeEndpointsTests(SharedGateway shared) : IClassFixture<SharedGateway>
{
    [Theory]
    [InlineData("""{"prompt":"Hé"}""", """{"count":4,"max_model_len":64,"tokens":[256,72,195,169]}""")]
    [InlineData("""{"prompt":"H","add_special_tokens":false}""", """{"count":1,"max_model_len":64,"tokens":[72]}""")]
    [InlineData("""{"prompt":""}""", """{"count":1,"max_model_len":64,"tokens":[256]}""")]
    [InlineData("""{"messages":[{"role":"user","content":"A"}]}""", """{"count":2,"max_model_len":64,"tokens":[256,65]}""")]
    public async Task Tokenize_Text_AnswersAsVllm(string request, string expected)
    {
        var answer = await shared.Gateway.PostOkAsync("/tokenize", request);
        Assert.Equal(expected, answer.GetRawText());
    }

    [Fact]
    public async Task Tokenize_TextFarBeyondTheContext_IsRefusedBeforeItIsEncoded()
    {
        var request = $$"""{"prompt":"{{new string('x', 100_000)}}"}""";
        (await shared.Gateway.PostErrorAsync("/tokenize", request)).Is(400, "prompt", "at least", "context_length_exceeded");
    }

    [Fact]
    public async Task Detokenize_AsManyTokensAsTheContext_IsRefusedAndOneLessIsAnswered()
    {
        Assert.Equal(63, (await shared.Gateway.PostOkAsync("/detokenize", Request(63))).GetProperty("prompt").GetString()!.Length);
        (await shared.Gateway.PostErrorAsync("/detokenize", Request(64))).Is(400, "tokens", "found 64 tokens", "context_length_exceeded");

        static string Request(int count) => $$"""{"tokens":[{{string.Join(',', Enumerable.Repeat(72, count))}}]}""";
    }

    [Theory]
    [InlineData("[256,72,195,169]", "Hé")]
    [InlineData("[195]", "\uFFFD")]
    [InlineData("[]", "")]
    public async Task Detokenize_Tokens_AnswersWithText(string tokens, string expected)
    {
        var answer = await shared.Gateway.PostOkAsync("/detokenize", $$"""{"tokens":{{tokens}}}""");
        Assert.Equal(JsonSerializer.Serialize(new { prompt = expected }), JsonSerializer.Serialize(answer));
    }

    [Theory]
    [InlineData("/tokenize", "{}", "prompt", "prompt is missing")]
    [InlineData("/tokenize", """{"prompt":["a"]}""", "prompt", "prompt must be a string; found a list.")]
    [InlineData("/tokenize", """{"prompt":"a","add_special_tokens":"no"}""", "add_special_tokens", "must be true or false")]
    [InlineData("/detokenize", "{}", "tokens", "tokens is missing")]
    [InlineData("/detokenize", """{"tokens":"a"}""", "tokens", "tokens must be a list of token ids")]
    [InlineData("/detokenize", """{"tokens":[1,900]}""", "tokens", "tokens[1] must be a token id from 0 to 258; found the number 900.")]
    public async Task Post_BadField_Answers400NamingIt(string path, string json, string param, string message) =>
        (await shared.Gateway.PostErrorAsync(path, json)).Is(400, param, message);

    [Fact]
    public async Task Post_ModelWithoutTokenizer_Answers400WithTheReason()
    {
        await using var gateway = await TestGateway.StartAsync(tokenizer: null);
        (await gateway.PostErrorAsync("/tokenize", """{"prompt":"a"}""")).Is(400, "prompt", "has no tokenizer");
        (await gateway.PostErrorAsync("/detokenize", """{"tokens":[1]}""")).Is(400, "tokens", "has no tokenizer");
    }
}
