using System.Text.Json;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;

namespace Llama.Gateway.Tests.Api.Errors;

public sealed class ApiGuardTests
{
    private const string Path = "/v1/completions";

    [Theory]
    [InlineData("Invalid", null, 400, "invalid_request_error", null, null)]
    [InlineData("Overloaded", 2.5, 429, "rate_limit_error", "rate_limit_exceeded", 3)]
    [InlineData("Overloaded", null, 429, "rate_limit_error", "rate_limit_exceeded", 1)]
    [InlineData("Unavailable", 0.0, 503, "server_error", "unavailable", 1)]
    [InlineData("Expired", null, 504, "server_error", "timeout", null, "timeout")]
    public async Task Generate_GrainRefuses_AnswersWithItsStatus(
        string kind, double? wait, int status, string type, string? code, int? retryAfter, string? param = null)
    {
        await using var gateway = await TestGateway.StartAsync();
        TimeSpan? retry = wait is null ? null : TimeSpan.FromSeconds(wait.Value);
        gateway.Grain.BeforeToken = (_, _) => throw new GenerationException(Enum.Parse<GenerationError>(kind), "Not now.", retry);
        foreach (var stream in new[] { "false", "true" })
        {
            var error = await gateway.PostErrorAsync(Path, $$"""{"prompt":"a","stream":{{stream}},"n":3}""");
            Assert.Equal(new ApiError(status, "Not now.", type, param, code, retryAfter), error);
        }
    }

    [Theory]
    [InlineData("Expired", "false")]
    [InlineData("Overloaded", null)]
    [InlineData("Unavailable", null)]
    public async Task Generate_GrainRefuses_SaysWhetherToRepeatTheRequest(string kind, string? expected)
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (_, _) => throw new GenerationException(Enum.Parse<GenerationError>(kind), "Not now.");
        using var response = await gateway.PostAsync(Path, """{"prompt":"a"}""");
        Assert.Equal(expected, response.Headers.TryGetValues("x-should-retry", out var values) ? Assert.Single(values) : null);
    }

    [Theory]
    [InlineData("GET", "/health", null)]
    [InlineData("POST", Path, """{"prompt":"a"}""")]
    [InlineData("POST", Path, """{"prompt":"a","stream":true}""")]
    [InlineData("POST", Path, "{")]
    [InlineData("GET", "/nothing", null)]
    [InlineData("PUT", "/health", null)]
    public async Task Send_AnyRequest_AnswersWithItsIdOrANewOne(string method, string path, string? body)
    {
        await using var gateway = await TestGateway.StartAsync();
        Assert.Equal("client-1", await IdAsync("client-1"));
        var own = await IdAsync(null);
        Assert.Matches("^req_[0-9a-f]{32}$", own);
        Assert.NotEqual(own, await IdAsync(null));
        foreach (var bad in new[] { "a b", "a\tb", new string('x', 129) }) Assert.Matches("^req_[0-9a-f]{32}$", await IdAsync(bad));

        async Task<string> IdAsync(string? id)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = body is null ? null : new StringContent(body) };
            if (id is not null) request.Headers.TryAddWithoutValidation("x-request-id", id);
            using var response = await gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
            return Assert.Single(response.Headers.GetValues("x-request-id"));
        }
    }

    [Fact]
    public async Task Generate_GrainFailsUnexpectedly_Answers500AndLogsWhy()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (_, _) => throw new InvalidOperationException("secret");
        var error = await gateway.PostErrorAsync(Path, """{"prompt":"a"}""");
        error.Is(500, null, "The gateway failed to answer", "internal_error");
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
        var (message, exception) = Assert.Single(gateway.Logs.Errors);
        Assert.Matches("^POST /v1/completions \\(request req_[0-9a-f]{32}\\) failed unexpectedly$", message);
        Assert.Equal("secret", exception?.Message);

        gateway.Grain.BeforeToken = (_, _) => Task.CompletedTask;
        await gateway.PostOkAsync(Path, """{"prompt":"a"}""");
    }

    [Fact]
    public async Task Generate_TokensEndWithoutAFinish_Answers500()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Script = _ => ['a'];
        (await gateway.PostErrorAsync(Path, """{"prompt":"a"}""")).Is(500, null, "The gateway failed", "internal_error");
    }

    [Fact]
    public async Task Stream_GrainFailsInTheMidst_EndsWithAnErrorEvent()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (position, _) => position < 2
            ? Task.CompletedTask
            : throw new GenerationException(GenerationError.Unavailable, "Stage 1 was lost.");
        var events = await gateway.PostStreamAsync(Path, """{"prompt":"a","stream":true}""");
        Assert.Equal(3, events.Count);
        ApiError.Read(JsonElement.Parse(events[2]), status: 200).Is(200, null, "Stage 1 was lost.", "unavailable");
    }

    [Fact]
    public async Task Stream_OneChoiceFails_EndsTheOthers()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (position, token) => (position, gateway.Grain.Requests.Count) switch
        {
            (0, _) => Task.CompletedTask,
            (_, 2) => throw new GenerationException(GenerationError.Unavailable, "Stage 1 was lost."),
            _ => Task.Delay(Timeout.Infinite, token),
        };
        var events = await gateway.PostStreamAsync(Path, """{"prompt":"a","stream":true,"n":2}""");
        Assert.Contains("Stage 1 was lost.", events[^1], StringComparison.Ordinal);
        await gateway.Grain.WaitForEndAsync();
        await gateway.Grain.WaitForEndAsync();
    }

    [Fact]
    public async Task Stream_GatewayStops_EndsAtOnceWithAnErrorEvent()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (position, token) => position == 0 ? Task.CompletedTask : Task.Delay(Timeout.Infinite, token);
        using var response = await gateway.PostAsync(Path, """{"prompt":"a","stream":true}""", HttpCompletionOption.ResponseHeadersRead);
        await gateway.StopAsync();
        var body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Contains("The gateway is stopping.", body, StringComparison.Ordinal);
        await gateway.Grain.WaitForEndAsync();
    }

    [Theory]
    [InlineData("GET", "/v1/completions", 405, "/v1/completions takes POST; found GET.", "method_not_supported")]
    [InlineData("DELETE", "/tokenize", 405, "/tokenize takes POST; found DELETE.", "method_not_supported")]
    [InlineData("POST", "/v1/models", 405, "/v1/models takes GET or HEAD; found POST.", "method_not_supported")]
    [InlineData("PUT", "/", 405, "/ takes GET or HEAD; found PUT.", "method_not_supported")]
    [InlineData("GET", "/v1/nothing", 404, "There is nothing at GET /v1/nothing.", "unknown_url")]
    [InlineData("POST", "/favicon.ico", 404, "There is nothing at POST /favicon.ico.", "unknown_url")]
    [InlineData("POST", "/chat/completions", 404, "There is nothing at POST /chat/completions; did you mean /v1/chat/completions?", "unknown_url")]
    [InlineData("POST", "/v1/v1/completions", 404, "There is nothing at POST /v1/v1/completions; did you mean /v1/completions?", "unknown_url")]
    [InlineData("POST", "/completion", 404, "did you mean /v1/completions?", "unknown_url")]
    public async Task Send_WrongMethodOrPath_AnswersInTheSameShape(string method, string path, int status, string message, string code)
    {
        await using var gateway = await TestGateway.StartAsync();
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var response = await gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
        (await ApiError.ReadAsync(response)).Is(status, null, message, code);
        if (status == 405) Assert.NotEmpty(response.Content.Headers.Allow);
    }

    [Theory]
    [InlineData("/api/pull", """{"error":"There is nothing at POST /api/pull.","param":null,"code":"unknown_url"}""")]
    [InlineData("/v1/messages/batches", """{"type":"error","error":{"type":"not_found_error","message":"There is nothing at POST /v1/messages/batches.",""")]
    public async Task Post_PathThatOllamaOrAnthropicHas_AnswersInTheirForm(string path, string body)
    {
        await using var gateway = await TestGateway.StartAsync();
        using var response = await gateway.PostAsync(path, "{}");
        Assert.Equal(404, (int)response.StatusCode);
        Assert.StartsWith(body, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }
}
