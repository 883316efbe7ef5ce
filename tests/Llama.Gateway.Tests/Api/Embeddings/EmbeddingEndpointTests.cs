using System.Runtime.InteropServices;
using System.Text.Json;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;

namespace Llama.Gateway.Tests.Api.Embeddings;

public sealed class EmbeddingEndpointTests
{
    private const string Path = "/v1/embeddings";

    [Fact]
    public async Task Post_Text_AnswersWithTheVectorAndUsage()
    {
        await using var gateway = await TestGateway.StartAsync();
        var answer = await gateway.PostOkAsync(Path, """{"model":"test-model","input":"Hi","user":"me","priority":-2,"timeout":2.5}""");
        Assert.Equal(
            """{"object":"list","data":[{"object":"embedding","index":0,"embedding":[3,105,0.5]}],"model":"test-model","usage":{"prompt_tokens":3,"total_tokens":3}}""",
            answer.GetRawText());
        var request = gateway.Grain.Single;
        Assert.Equal([TestTokenizer.Begin, 'H', 'i'], request.PromptTokens);
        Assert.Equal((Pooling.Mean, 2, TimeSpan.FromSeconds(2.5), "address 127.0.0.1"), (request.Pooling!.Value, request.Priority, request.Timeout!.Value, request.Client));
    }

    [Theory]
    [InlineData("""["Hi","You"]""", new[] { 3, 4 })]
    [InlineData("[5,6,7]", new[] { 3 })]
    [InlineData("[[5,6],[7]]", new[] { 2, 1 })]
    [InlineData("""["Hi",[7]]""", new[] { 3, 1 })]
    public async Task Post_FormsOfInput_AreAVectorEach(string input, int[] lengths)
    {
        await using var gateway = await TestGateway.StartAsync();
        var data = (await gateway.PostOkAsync(Path, $$"""{"input":{{input}}}""")).GetProperty("data");
        Assert.Equal(lengths, data.EnumerateArray().Select(one => one.GetProperty("embedding")[0].GetInt32()));
        Assert.Equal(Enumerable.Range(0, lengths.Length), data.EnumerateArray().Select(one => one.GetProperty("index").GetInt32()));
    }

    [Fact]
    public async Task Post_Base64AndLast_IsTheVectorsBytes()
    {
        await using var gateway = await TestGateway.StartAsync();
        var data = (await gateway.PostOkAsync(Path, """{"input":[5,6],"encoding_format":"base64","pooling":"last"}""")).GetProperty("data");
        var bytes = data[0].GetProperty("embedding").GetBytesFromBase64();
        Assert.Equal([2f, 6f, -1f], MemoryMarshal.Cast<byte, float>(bytes).ToArray());
    }

    /// <summary>At most 16 are with the scheduler at a time, and what overtakes waits for its place.</summary>
    [Fact]
    public async Task Post_ManyInputs_AreInOrderAndFewAtATime()
    {
        await using var gateway = await TestGateway.StartAsync();
        var (inFlight, most, gate) = (0, 0, new Lock());
        gateway.Grain.BeforeTokenOf = async (request, _, ending) =>
        {
            lock (gate) most = Math.Max(most, ++inFlight);
            await Task.Delay(request.PromptTokens[0] % 7, ending);
            lock (gate) inFlight--;
        };
        var input = JsonSerializer.Serialize(Enumerable.Range(0, 200).Select(i => (int[])[i]));
        var data = (await gateway.PostOkAsync(Path, $$"""{"input":{{input}}}""")).GetProperty("data");
        Assert.Equal(Enumerable.Range(0, 200), data.EnumerateArray().Select(one => one.GetProperty("embedding")[1].GetInt32()));
        Assert.InRange(most, 2, 16);
    }

    [Fact]
    public async Task Post_InputThatFails_IsTheAnswerAndEndsTheOthers()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeTokenOf = (request, _, ending) => request.PromptTokens[0] == 1
            ? throw new GenerationException(GenerationError.Overloaded, "Too many.", TimeSpan.FromSeconds(2))
            : Task.Delay(TimeSpan.FromSeconds(20), ending);
        (await gateway.PostErrorAsync(Path, """{"input":[[1],[2],[3]]}""")).Is(429, null, "Too many.", "rate_limit_exceeded");
        for (var i = 0; i < 3; i++) await gateway.Grain.WaitForEndAsync();
        Assert.Equal(2, gateway.Grain.Cancelled);
    }

    [Theory]
    [InlineData("{}", "input", "input is missing")]
    [InlineData("""{"input":""}""", "input", "input is empty")]
    [InlineData("""{"input":["a",""]}""", "input", "input[1] is empty")]
    [InlineData("""{"input":[]}""", "input", "input is empty")]
    [InlineData("""{"input":[[]]}""", "input", "input[0] is empty")]
    [InlineData("""{"input":[true]}""", "input", "input[0] must be a string or a list of token ids")]
    [InlineData("""{"input":[99999]}""", "input", "a token id from 0 to")]
    [InlineData("""{"input":"a","encoding_format":"int8"}""", "encoding_format", "\"float\" or \"base64\"")]
    [InlineData("""{"input":"a","pooling":"cls"}""", "pooling", "\"mean\" or \"last\"")]
    [InlineData("""{"input":"a","dimensions":256}""", "dimensions", "dimensions is not supported", "unsupported_parameter")]
    [InlineData("""{"input":"a","prompt":"a"}""", "prompt", "prompt is not a field of /v1/embeddings", "unknown_parameter")]
    public async Task Post_BadRequest_Answers400WithTheField(string json, string param, string message, string? code = null)
    {
        await using var gateway = await TestGateway.StartAsync();
        (await gateway.PostErrorAsync(Path, json)).Is(400, param, message, code);
        Assert.Empty(gateway.Grain.Requests);
    }

    /// <summary>No token follows a text, so it may fill the context.</summary>
    [Fact]
    public async Task Post_InputsOfTheContextAndTheBound_AreTakenAndNoMore()
    {
        await using var gateway = await TestGateway.StartAsync();
        await gateway.PostOkAsync(Path, $$"""{"input":[{{Repeat(64)}}]}""");
        (await gateway.PostErrorAsync(Path, $$"""{"input":[{{Repeat(65)}}]}""")).Is(
            400, "input", "context is 64 tokens; found 65 in input", "context_length_exceeded");
        (await gateway.PostErrorAsync(Path, $$"""{"input":[{{string.Join(',', Enumerable.Repeat("[5]", 2049))}}]}""")).Is(400, "input", "at most 2048 elements; found 2049");
    }

    private static string Repeat(int count) => string.Join(',', Enumerable.Repeat('5', count));
}
