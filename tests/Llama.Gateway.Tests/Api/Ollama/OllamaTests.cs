using System.Text.Json;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;

namespace Llama.Gateway.Tests.Api.Ollama;

/// <summary>Ollama's routes, as its clients read them.</summary>
public sealed class OllamaTests
{
    private const string Hi = """{"model":"test-model:latest","messages":[{"role":"user","content":"Hi"}],"options":{"seed":5}}""";

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Chat_ByDefault_IsAStreamOfLinesWhoseLastHasCountsAndTimes()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (_, ending) => Task.Delay(TimeSpan.FromMilliseconds(5), ending);
        var lines = await LinesAsync(gateway, "/api/chat", Hi);
        Assert.Equal("Hello.", string.Concat(lines.Select(line => line.GetProperty("message").GetProperty("content").GetString())));
        Assert.All(lines, line => Assert.Equal(
            ("test-model", "assistant"), (line.GetProperty("model").GetString(), line.GetProperty("message").GetProperty("role").GetString())));
        Assert.Equal([.. Enumerable.Repeat(false, lines.Count - 1), true], lines.Select(line => line.GetProperty("done").GetBoolean()));
        var last = lines[^1];
        Assert.Equal(("stop", 3, 7), (last.GetProperty("done_reason").GetString(), last.GetProperty("prompt_eval_count").GetInt32(), last.GetProperty("eval_count").GetInt32()));
        Assert.InRange(last.GetProperty("prompt_eval_duration").GetInt64(), 4_000_000, last.GetProperty("total_duration").GetInt64());
        Assert.InRange(last.GetProperty("eval_duration").GetInt64(), 20_000_000, last.GetProperty("total_duration").GetInt64());
        Assert.InRange(last.GetProperty("created_at").GetDateTimeOffset(), DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddMinutes(1));
    }

    [Theory]
    [InlineData("/api/chat", """{"messages":[{"role":"user","content":"Hi"}],"stream":false,"options":{"num_predict":2}}""", "length")]
    [InlineData("/api/generate", """{"prompt":"Hi","stream":false,"options":{"num_predict":-1}}""", "stop")]
    public async Task Post_NotStreamed_IsOneObject(string path, string request, string reason)
    {
        await using var gateway = await TestGateway.StartAsync();
        var answer = await gateway.PostOkAsync(path, request);
        string text = (path == "/api/chat" ? answer.GetProperty("message").GetProperty("content") : answer.GetProperty("response")).GetString()!;
        Assert.Equal((reason, reason == "stop" ? "Hello." : "He", true), (answer.GetProperty("done_reason").GetString(), text, answer.GetProperty("done").GetBoolean()));
    }

    [Theory]
    [InlineData("/api/chat", """{"model":"test-model"}""", "message")]
    [InlineData("/api/chat", """{"messages":[],"keep_alive":-1}""", "message")]
    [InlineData("/api/generate", """{"prompt":"","keep_alive":"10m"}""", "response")]
    public async Task Post_Nothing_SaysThatTheModelIsLoaded(string path, string request, string member)
    {
        await using var gateway = await TestGateway.StartAsync();
        var answer = await gateway.PostOkAsync(path, request);
        Assert.Equal(("load", true), (answer.GetProperty("done_reason").GetString(), answer.TryGetProperty(member, out _)));
        Assert.Empty(gateway.Grain.Requests);
    }

    [Fact]
    public async Task Embed_Texts_AnswersWithAVectorEachAndTheCount()
    {
        await using var gateway = await TestGateway.StartAsync();
        var answer = await gateway.PostOkAsync("/api/embed", """{"model":"test-model:latest","input":["Hi","You"],"truncate":false,"keep_alive":"5m","options":{}}""");
        Assert.Equal("test-model", answer.GetProperty("model").GetString());
        Assert.Equal("[[3,105,0.5],[4,117,0.5]]", answer.GetProperty("embeddings").GetRawText());
        Assert.Equal(7, answer.GetProperty("prompt_eval_count").GetInt32());
        Assert.True(answer.GetProperty("total_duration").GetInt64() > 0);
    }

    [Fact]
    public async Task Chat_Tools_CallsHaveArgumentsThatAreObjectsAndResultsGoBack()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.Script = _ => [.. """{"name": "get_weather", "parameters": {"city": "Paris"}}""".Select(character => (int)character), TestTokenizer.End];
        gateway.Grain.Status = gateway.Grain.Status with { MaxSequenceTokens = 4096 };
        const string tools = "\"tools\":" + """[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]""";
        foreach (string stream in (string[])["true", "false"])
        {
            var lines = await LinesAsync(gateway, "/api/chat", """{"messages":[{"role":"user","content":"Hi"}],""" + tools + ",\"stream\":" + stream + "}");
            var call = lines.Select(line => line.GetProperty("message")).Single(message => message.TryGetProperty("tool_calls", out _)).GetProperty("tool_calls")[0];
            Assert.Equal("""{"function":{"name":"get_weather","arguments":{"city": "Paris"}}}""", call.GetRawText());
            Assert.Equal("stop", lines[^1].GetProperty("done_reason").GetString());
        }

        gateway.Grain.Script = _ => ['O', 'K', TestTokenizer.End];
        const string history = """
            {"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"get_weather","arguments":{"city":"Paris"}}}]},
            {"role":"tool","tool_name":"get_weather","content":"22 C"}],
            """;
        var answer = await gateway.PostOkAsync("/api/chat", history + tools + ",\"stream\":false}");
        Assert.Equal("OK", answer.GetProperty("message").GetProperty("content").GetString());
    }

    [Fact]
    public async Task Stream_GrainFailsInTheMidst_EndsWithALineThatHasTheError()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (position, _) => position < 2
            ? Task.CompletedTask
            : throw new GenerationException(GenerationError.Unavailable, "Stage 1 was lost.");
        var lines = await LinesAsync(gateway, "/api/chat", Hi);
        Assert.Equal("Stage 1 was lost.", lines[^1].GetProperty("error").GetString());
    }

    [Theory]
    [InlineData("/api/chat", """{"messages":[{"role":"user","content":"Hi","contents":"a"}]}""", "messages[0].contents", "did you mean content?", "unknown_parameter")]
    [InlineData("/api/chat", """{"messages":[{"role":"user","content":"Hi"}],"options":{"temprature":1}}""", "options.temprature", "did you mean temperature?", "unknown_parameter")]
    [InlineData("/api/chat", """{"messages":[{"role":"user","content":"Hi"}],"temperature":1}""", "temperature", "temperature is not a field of /api/chat; it is a field of options.", "unknown_parameter")]
    [InlineData("/api/generate", """{"prompt":"Hi","max_tokens":5}""", "max_tokens", "Use num_predict in options.", "unsupported_parameter")]
    [InlineData("/api/chat", """{"messages":[{"role":"user","content":"Hi"}],"options":{"num_ctx":65}}""", "options.num_ctx", "must be at most 64", null)]
    [InlineData("/api/chat", """{"messages":[{"role":"user","content":"Hi"}],"options":{"mirostat":2}}""", "options.mirostat", "is not supported", "unsupported_parameter")]
    [InlineData("/api/generate", """{"prompt":"Hi","images":["a"]}""", "images", "is not supported", "unsupported_parameter")]
    [InlineData("/api/generate", """{"prompt":"Hi","raw":true,"system":"S"}""", "system", "found it with raw", null)]
    public async Task Post_WhatIsNotDone_Answers400NamingIt(string path, string request, string param, string message, string? code)
    {
        await using var gateway = await TestGateway.StartAsync();
        (await gateway.PostErrorAsync(path, request)).Is(400, param, message, code);
    }

    [Fact]
    public async Task Post_AnotherModel_Answers404() =>
        await UsingAsync(async gateway => (await gateway.PostErrorAsync("/api/chat", """{"model":"llama3.2:latest","messages":[]}""")).Is(404, "model", "'llama3.2:latest'", "model_not_found"));

    [Fact]
    public async Task Get_Models_AreTheOneThatIsServed() => await UsingAsync(async gateway =>
    {
        var tags = JsonElement.Parse(await gateway.Client.GetStringAsync("/api/tags", TestEnds)).GetProperty("models")[0];
        Assert.Equal(("test-model", 3743744), (tags.GetProperty("name").GetString(), tags.GetProperty("size").GetInt64()));
        Assert.Matches("^[0-9a-f]{64}$", tags.GetProperty("digest").GetString());
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(1_700_000_000), tags.GetProperty("modified_at").GetDateTimeOffset());
        var loaded = JsonElement.Parse(await gateway.Client.GetStringAsync("/api/ps", TestEnds)).GetProperty("models")[0];
        Assert.Equal(64, loaded.GetProperty("context_length").GetInt32());
        Assert.True(loaded.GetProperty("expires_at").GetDateTimeOffset() > DateTimeOffset.UtcNow);
        var shown = await gateway.PostOkAsync("/api/show", """{"model":"test-model"}""");
        Assert.Equal(64, shown.GetProperty("model_info").GetProperty("llama.context_length").GetInt32());
        Assert.Equal(["completion", "insert", "tools"], shown.GetProperty("capabilities").EnumerateArray().Select(one => one.GetString()));
        Assert.Matches("^[0-9]+\\.[0-9]+\\.[0-9]+$", JsonElement.Parse(await gateway.Client.GetStringAsync("/api/version", TestEnds)).GetProperty("version").GetString());
    });

    private static async Task UsingAsync(Func<TestGateway, Task> test)
    {
        await using var gateway = await TestGateway.StartAsync();
        await test(gateway);
    }

    private static async Task<List<JsonElement>> LinesAsync(TestGateway gateway, string path, string request)
    {
        using var response = await gateway.PostAsync(path, request);
        Assert.Equal(200, (int)response.StatusCode);
        string body = await response.Content.ReadAsStringAsync(TestEnds);
        if (response.Content.Headers.ContentType?.ToString() == "application/x-ndjson") Assert.EndsWith("\n", body, StringComparison.Ordinal);
        return [.. body.TrimEnd('\n').Split('\n').Select(line => JsonElement.Parse(line))];
    }
}
