using System.Text.Json;
using Llama.Gateway.Tests.Hosting;
using Llama.Tests;

namespace Llama.Gateway.Tests.Api.Generation;

/// <summary>What answers tell besides the text: how long they took, and what their bits depend on.</summary>
public sealed class AnswerFactsTests
{
    [Theory]
    [InlineData("""{"prompt":"Hi","stream":true}""")]
    [InlineData("""{"prompt":"Hi","stream":true,"stream_options":{"include_usage":true}}""")]
    public async Task Stream_LastPart_TellsTimingsInLlamaServersForm(string request)
    {
        var time = new ManualTime();
        var go = new TaskCompletionSource();
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), time: time);
        gateway.Grain.CachedTokens = _ => 1;
        gateway.Grain.Script = _ => ['H', TestTokenizer.End];
        gateway.Grain.BeforeToken = async (position, _) =>
        {
            if (position == 0) time.Advance(TimeSpan.FromSeconds(2));
            else await go.Task;
        };
        using var response = await gateway.PostAsync("/v1/completions", request, HttpCompletionOption.ResponseHeadersRead);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        var first = await lines.ReadLineAsync(TestContext.Current.CancellationToken);
        time.Advance(TimeSpan.FromSeconds(0.5));
        go.SetResult();
        var rest = await lines.ReadToEndAsync(TestContext.Current.CancellationToken);
        var parts = rest.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("data: [DONE]", parts[^1]);
        Assert.DoesNotContain("timings", string.Concat(parts.SkipLast(2).Prepend(first)), StringComparison.Ordinal);
        Assert.Equal(
            """
            {"cache_n":1,"prompt_n":2,"prompt_ms":2000,"prompt_per_token_ms":1000,"prompt_per_second":1,"predicted_n":2,"predicted_ms":500,"predicted_per_token_ms":250,"predicted_per_second":4}
            """,
            JsonElement.Parse(parts[^2].Trim()["data: ".Length..]).GetProperty("timings").GetRawText());
    }

    [Fact]
    public async Task Post_Fingerprint_ChangesWithTheProfile()
    {
        const string completion = """{"prompt":"Hi"}""";
        await using var gateway = await TestGateway.StartAsync();
        var first = FingerprintOf(await gateway.PostOkAsync("/v1/completions", completion));
        var chat = await gateway.PostOkAsync("/v1/chat/completions", """{"messages":[{"role":"user","content":"A"}]}""");
        Assert.Matches("^fp_[0-9a-f]{12}$", first);
        Assert.Equal(first, FingerprintOf(chat));
        Assert.Equal(7, chat.GetProperty("timings").GetProperty("predicted_n").GetInt32());
        var status = gateway.Grain.Status;
        gateway.Grain.Status = status with { Pipelines = [status.Pipelines[0] with { Profile = "cpu-2/F32/F32" }] };
        var parts = await gateway.PostPartsAsync("/v1/completions", """{"prompt":"Hi","stream":true}""");
        Assert.All(parts, part => Assert.Equal(FingerprintOf(parts[0]), FingerprintOf(part)));
        Assert.NotEqual(first, FingerprintOf(parts[0]));
        await using var other = await TestGateway.StartAsync(new TestTokenizer(), name: "other-model");
        Assert.NotEqual(first, FingerprintOf(await other.PostOkAsync("/v1/completions", completion)));
    }

    private static string FingerprintOf(JsonElement answer) => answer.GetProperty("system_fingerprint").GetString()!;
}
