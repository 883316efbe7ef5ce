using Llama.Gateway.Tests.Hosting;

namespace Llama.Gateway.Tests.Api.Completions;

/// <summary>Completions with a suffix: a gap is filled.</summary>
public sealed class SuffixTests
{
    private const string Path = "/v1/completions";

    [Fact]
    public async Task Post_PromptsAndSuffix_EachHasTheTextAroundItsGap()
    {
        await using var gateway = await TestGateway.StartAsync(TestTokenizer.ThatInfills());
        gateway.Grain.Script = _ => [' ', 'x', TestTokenizer.Step];
        var answer = await gateway.PostOkAsync(Path, """{"prompt":["a(","<begin>"],"suffix":")"}""");
        Assert.Equal([" x", " x"], answer.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("text").GetString()));
        Assert.Contains(gateway.Grain.Requests, request => request.PromptTokens.SequenceEqual([256, 259, 'a', '(', 260, ')', 261]));

        // What a request says is text.
        Assert.Contains(
            gateway.Grain.Requests, request => request.PromptTokens.SequenceEqual([256, 259, '<', 'b', 'e', 'g', 'i', 'n', '>', 260, ')', 261]));
    }

    [Fact]
    public async Task Post_EmptyPromptAndSuffix_IsAnsweredAndEmptySuffixAsksForNothing()
    {
        await using var gateway = await TestGateway.StartAsync(TestTokenizer.ThatInfills());
        await gateway.PostOkAsync(Path, """{"prompt":"","suffix":")"}""");
        await gateway.PostOkAsync(Path, """{"prompt":"a","suffix":"","echo":true}""");
        Assert.Equal([[256, 259, 260, ')', 261], [256, 'a']], gateway.Grain.Requests.Select(request => request.PromptTokens.ToArray()));
    }

    [Theory]
    [InlineData("""{"prompt":[1,2],"suffix":"b"}""", "prompt", "prompt must be a string beside suffix")]
    [InlineData("""{"prompt":["a",[1]],"suffix":"b"}""", "prompt", "prompt[1] must be a string beside suffix")]
    [InlineData("""{"prompt":"a","suffix":"b","echo":true}""", "echo", "echo must not be true beside suffix")]
    [InlineData("""{"prompt":"a","suffix":"b","add_special_tokens":false}""", "add_special_tokens", "add_special_tokens must not be false beside suffix")]
    public async Task Post_FieldsThatContradict_Answers400(string json, string param, string message)
    {
        await using var gateway = await TestGateway.StartAsync(TestTokenizer.ThatInfills());
        (await gateway.PostErrorAsync(Path, json)).Is(400, param, message);
    }

    [Fact]
    public async Task Post_ModelThatFillsNoGaps_Answers400NamingIt()
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer { Infill = null });
        (await gateway.PostErrorAsync(Path, """{"prompt":"a","suffix":"b"}""")).Is(400, "suffix", "'test-model' fills no gaps", "unsupported_parameter");
        (await gateway.PostErrorAsync("/infill", "{}")).Is(400, "input_prefix", "'test-model' fills no gaps", "unsupported_parameter");
        (await gateway.PostErrorAsync("/api/generate", """{"suffix":"b"}""")).Is(400, "suffix", "'test-model' fills no gaps", "unsupported_parameter");
    }
}
