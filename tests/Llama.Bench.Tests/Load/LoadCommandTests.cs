using System.Text.Json;
using Llama.Bench.Load;

namespace Llama.Bench.Tests.Load;

public class LoadCommandTests
{
    private const string Done = "data: [DONE]\n\n";

    [Fact]
    public async Task RunAsync_ServerThatTakesOnlyText_GetsTextAndIsCountedByItsUsage()
    {
        using var server = new ScriptedServer(body => body.GetProperty("prompt").ValueKind == JsonValueKind.Array
            ? (400, """{"error":{"message":"text only"}}""")
            : (200, """
                data: {"choices":[{"text":"one"}]}

                data: {"choices":[{"text":" two"}]}

                data: {"choices":[{"text":"","finish_reason":"length"}]}

                data: {"choices":[],"usage":{"prompt_tokens":23,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":16}}}


                """ + Done));
        (int code, JsonElement report) = await RunAsync(new LoadOptions { Url = server.Url, Requests = 2, Prompt = 20, Generate = 3 });

        Assert.Equal(0, code);
        Assert.False(report.GetProperty("tokenIds").GetBoolean());
        Assert.Equal((2, 46, 32, 6), (Number(report, "completed"), Number(report, "promptTokens"), Number(report, "cachedTokens"), Number(report, "generatedTokens")));
        Assert.Equal(20, server.Prompts[^1].GetString()!.Split(' ').Length);
    }

    [Theory]
    [InlineData(429, """{"error":{"message":"full"}}""", "HTTP 429", "full")]
    [InlineData(500, "no JSON", "HTTP 500", "no JSON")]
    [InlineData(200, "data: {\"choices\":[{\"text\":\"one\"}]}\n\n", "cut off", "the stream ended without [DONE]")]
    [InlineData(200, "data: {\"error\":{\"message\":\"lost\"}}\n\n", "error in the stream", "lost")]
    [InlineData(200, "data: [1]\n\n", "not OpenAI's format", "found Array in the stream, expected an object")]
    [InlineData(200, Done, "no tokens", "the answer was empty")]
    public async Task RunAsync_RequestThatFails_IsCountedByItsKind(int status, string body, string kind, string message)
    {
        int requests = 0;
        using var server = new ScriptedServer(request =>
            !request.GetProperty("stream").GetBoolean() ? (200, "{}")
            : requests++ == 0 ? (200, "data: {\"choices\":[{\"text\":\"a\",\"token_ids\":[5,6]}]}\n\n" + Done)
            : (status, body));
        (int code, JsonElement report) = await RunAsync(new LoadOptions { Url = server.Url, Requests = 3, Prompt = 4, Generate = 2 });

        Assert.Equal(1, code);
        Assert.Equal((1, 2), (Number(report, "completed"), Number(report, "generatedTokens")));
        JsonElement error = report.GetProperty("errors").GetProperty(kind);
        Assert.Equal((2, message), (Number(error, "count"), error.GetProperty("example").GetString()));
    }

    [Fact]
    public async Task RunAsync_ServerThatRefuses_ThrowsWhatItSays()
    {
        using var server = new ScriptedServer(_ => (503, """{"error":{"message":"waiting for silos"}}"""));
        HttpRequestException fault = await Assert.ThrowsAsync<HttpRequestException>(() => RunAsync(new LoadOptions { Url = server.Url }));
        Assert.Equal($"{server.Url}/v1/completions: HTTP 503: waiting for silos", fault.Message);
    }

    [Fact]
    public void ToTable_Report_HasRowsOfTimesAndErrors()
    {
        var report = new LoadReport
        {
            Requests = 4, Completed = 3, Seconds = 2, TokenIds = true, PromptTokens = 30, CachedTokens = 16, GeneratedTokens = 12,
            FirstToken = new Distribution(1, 2, 3, 1234.567), TimePerToken = null, Pause = null, Request = new Distribution(5, 6, 7, 8),
            Errors = new Dictionary<string, LoadErrors> { ["HTTP 429"] = new(1, "full") },
        };
        Assert.Equal(
            """
            requests    3 of 4 in 2.00 s: 1.50/s
            prompts     30 tokens, 16 cached: 15.0 tokens/s
            generated   12 tokens: 6.0 tokens/s

            milliseconds             p50        p90        p99        max
            first token            1.00       2.00       3.00    1234.57
            request                5.00       6.00       7.00       8.00
            1 failed: HTTP 429: full

            """,
            report.ToTable());
    }

    private static async Task<(int Code, JsonElement Report)> RunAsync(LoadOptions options)
    {
        using var output = new StringWriter();
        using var progress = new StringWriter();
        int code = await LoadCommand.RunAsync(options with { Json = true }, output, progress, TestContext.Current.CancellationToken);
        Assert.Contains($"{options.Requests} of {options.Requests} done, 0 in flight", progress.ToString());
        return (code, JsonElement.Parse(output.ToString()));
    }

    private static int Number(JsonElement element, string name) => element.GetProperty(name).GetInt32();
}
