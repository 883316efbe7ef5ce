using System.Text.Json;
using Llama.Gateway.Tests.Hosting;

namespace Llama.Gateway.Tests.Api.Generation;

/// <summary>What is told of a prompt's tokens.</summary>
public sealed class PromptTokensTests
{
    private const string Completions = "/v1/completions";

    private const string Told =
        """[null,{"105":{"logprob":-1,"rank":2,"decoded_token":"i"},"122":{"logprob":-0.5,"rank":1,"decoded_token":"z"}}]""";

    [Fact]
    public async Task Post_PromptLogprobs_StandInTheChoiceOfACompletionAndBesideThoseOfAChat()
    {
        await using var gateway = await TestGateway.StartAsync();
        var answer = await gateway.PostOkAsync(Completions, """{"prompt":[72,105],"prompt_logprobs":1,"n":2}""");
        foreach (var choice in answer.GetProperty("choices").EnumerateArray()) Assert.Equal(Told, choice.GetProperty("prompt_logprobs").GetRawText());
        Assert.Equal(JsonValueKind.Null, answer.GetProperty("choices")[0].GetProperty("logprobs").ValueKind);

        var chat = await gateway.PostOkAsync("/v1/chat/completions", """{"messages":[{"role":"user","content":"Hi"}],"prompt_logprobs":0}""");
        var prompt = chat.GetProperty("prompt_logprobs");
        Assert.Equal(gateway.Grain.Requests.Last().PromptTokens.Count, prompt.GetArrayLength());
        Assert.Equal("""{"105":{"logprob":-1,"rank":2,"decoded_token":"i"}}""", prompt.EnumerateArray().Skip(1).Last(one => one.TryGetProperty("105", out _)).GetRawText());
    }

    [Fact]
    public async Task Post_Stream_HasThemInTheFirstPartOnly()
    {
        await using var gateway = await TestGateway.StartAsync();
        var parts = await gateway.PostPartsAsync(Completions, """{"prompt":[72,105],"prompt_logprobs":1,"stream":true}""");
        Assert.Equal(Told, parts[0].GetProperty("choices")[0].GetProperty("prompt_logprobs").GetRawText());
        Assert.All(parts.Skip(1), part => Assert.False(part.GetProperty("choices")[0].TryGetProperty("prompt_logprobs", out _)));
    }

    /// <summary>As at OpenAI: the prompt's tokens come before the answer's, the first without a log-probability.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Post_EchoWithLogprobs_TellsThePromptsTokensBeforeTheAnswers(bool stream)
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Script = _ => ['!', TestTokenizer.End];
        var request = $$"""{"prompt":"é","echo":true,"logprobs":1,"prompt_logprobs":2,"max_tokens":1,"stream":{{(stream ? "true" : "false")}}}""";
        var choice = stream
            ? (await gateway.PostPartsAsync(Completions, request))[0].GetProperty("choices")[0]
            : (await gateway.PostOkAsync(Completions, request)).GetProperty("choices")[0];
        Assert.Equal("é!", choice.GetProperty("text").GetString());
        Assert.Equal([TestTokenizer.Begin, 0xC3, 0xA9], gateway.Grain.Single.PromptTokens);
        Assert.Equal(2, gateway.Grain.Single.PromptLogprobs);
        var logprobs = choice.GetProperty("logprobs");
        Assert.Equal("[null,-1,-1,-0.5]", logprobs.GetProperty("token_logprobs").GetRawText());
        Assert.Equal("[0,0,0,1]", logprobs.GetProperty("text_offset").GetRawText());
        var top = logprobs.GetProperty("top_logprobs");
        Assert.Equal(("null", 2), (top[0].GetRawText(), top[1].EnumerateObject().Count()));
        Assert.Equal(3, choice.GetProperty("prompt_logprobs")[1].EnumerateObject().Count());
        Assert.Equal("!", logprobs.GetProperty("tokens")[3].GetString());
    }

    [Fact]
    public async Task Post_MoreThanMayBeKept_IsRefused()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Status = gateway.Grain.Status with { MaxSequenceTokens = 100_000 };
        var prompt = string.Join(',', Enumerable.Repeat('5', 13_000));
        (await gateway.PostErrorAsync(Completions, $$"""{"prompt":[{{prompt}}],"prompt_logprobs":20}""")).Is(400, "prompt", "at most 262144 log-probabilities");
        (await gateway.PostErrorAsync(Completions, $$"""{"prompt":[{{prompt}}],"echo":true,"logprobs":10,"n":2}""")).Is(400, "prompt", "found 286000");
        await gateway.PostOkAsync(Completions, $$"""{"prompt":[{{prompt}}],"prompt_logprobs":1}""");
    }

    /// <summary>A retry gets them again, also from the record that a silo has.</summary>
    [Fact]
    public async Task Post_RetryWithTheKey_HasThemAgain()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Client.DefaultRequestHeaders.Add("Idempotency-Key", "k");
        const string request = """{"prompt":[72,105],"prompt_logprobs":1}""";
        var first = await gateway.PostOkAsync(Completions, request);
        var second = await gateway.PostOkAsync(Completions, request);
        Assert.Equal(Told, second.GetProperty("choices")[0].GetProperty("prompt_logprobs").GetRawText());
        Assert.Equal(first.GetRawText(), second.GetRawText());
        Assert.Single(gateway.Grain.Requests);
    }
}
