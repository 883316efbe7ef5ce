using System.Text.Json;
using Llama.Gateway.Tests.Hosting;

namespace Llama.Gateway.Tests.Api.LlamaServer;

public sealed class InfillEndpointTests
{
    [Theory]
    [InlineData("""{"input_prefix":"a(","input_suffix":")"}""", "eos", "Hello.", 7)]
    [InlineData("""{"input_prefix":"a(","n_predict":2}""", "limit", "He", 2)]
    [InlineData("""{"input_prefix":"a(","stop":["lo"]}""", "word", "Hel", 5)]
    public async Task Post_Gap_AnswersAsLlamaServer(string request, string stop, string text, int tokens)
    {
        await using var gateway = await TestGateway.StartAsync();
        var whole = await gateway.PostOkAsync("/infill", request);
        Assert.Equal(
            (text, true, stop, tokens),
            (whole.GetProperty("content").GetString(), whole.GetProperty("stop").GetBoolean(), whole.GetProperty("stop_type").GetString(), whole.GetProperty("tokens_predicted").GetInt32()));
        var parts = (await gateway.PostStreamAsync("/infill", request[..^1] + ",\"stream\":true}")).Select(part => JsonElement.Parse(part)).ToList();
        Assert.Equal(text, string.Concat(parts.Select(part => part.GetProperty("content").GetString())));
        Assert.Equal([.. Enumerable.Repeat(false, parts.Count - 1), true], parts.Select(part => part.GetProperty("stop").GetBoolean()));
        Assert.Equal(stop, parts[^1].GetProperty("stop_type").GetString());
    }

    [Theory]
    [InlineData("""{"n_predict":0}""", "n_predict", "must be -1 or at least 1")]
    [InlineData("""{"input_extra":[{"text":"a"}]}""", "input_extra[0].filename", "is missing")]
    [InlineData("""{"repeat_penalty":1.5,"repetition_penalty":1.25}""", "repeat_penalty", "is another name of repetition_penalty")]
    [InlineData("""{"samplers":["top_k"]}""", "samplers", "is not supported")]
    public async Task Post_BadField_Answers400NamingIt(string request, string param, string message)
    {
        await using var gateway = await TestGateway.StartAsync();
        var error = await gateway.PostErrorAsync("/infill", request);
        Assert.Equal((400, param), (error.Status, error.Param));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }
}
