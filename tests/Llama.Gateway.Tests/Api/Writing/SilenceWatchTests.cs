using System.Text.Json;
using Llama.Gateway.Api.Writing;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;
using Llama.Tests;

namespace Llama.Gateway.Tests.Api.Writing;

/// <summary>What a stream says while nothing comes.</summary>
public sealed class SilenceWatchTests
{
    private readonly ManualTime time = new();
    private readonly TaskCompletionSource go = new();

    [Theory]
    [InlineData("/v1/completions", """{"prompt":"A","stream":true}""")]
    [InlineData("/v1/chat/completions", """{"messages":[{"role":"user","content":"A"}],"stream":true}""")]
    [InlineData("/v1/responses", """{"input":"A","stream":true}""")]
    [InlineData("/v1/messages", """{"messages":[{"role":"user","content":"A"}],"max_tokens":9,"stream":true}""")]
    public async Task Stream_StageIsReplaced_CommentsSaySo(string path, string request)
    {
        await using var gateway = await StartAsync(pauseAt: 1);
        using var response = await gateway.PostAsync(path, request, HttpCompletionOption.ResponseHeadersRead);
        gateway.Grain.Status = gateway.Grain.Status with { Ready = false, Reason = "The layers\nare loaded." };
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        var read = await ReadToCommentAsync(lines);
        Assert.Equal(": The layers are loaded.", read[^1]);

        // They stand between events, which go on as if nothing had been.
        Assert.Equal(("", ""), (read[^2], await lines.ReadLineAsync(TestContext.Current.CancellationToken)));
        go.SetResult();
        var rest = await lines.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.Contains("data: ", rest, StringComparison.Ordinal);
        Assert.DoesNotContain("\"code\"", rest, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lines_StageIsReplaced_ABlankComesBeforeTheNextOne()
    {
        await using var gateway = await StartAsync(pauseAt: 1);
        using var response = await gateway.PostAsync(
            "/api/chat", """{"messages":[{"role":"user","content":"A"}]}""", HttpCompletionOption.ResponseHeadersRead);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        Assert.Equal("H", TextOf((await lines.ReadLineAsync(TestContext.Current.CancellationToken))!));
        var sent = new char[1];
        var sending = lines.ReadAsync(sent, TestContext.Current.CancellationToken).AsTask();
        await AdvanceUntilAsync(() => sending.IsCompleted);
        Assert.Equal(" ", string.Concat(sent));

        go.SetResult();
        var rest = await lines.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.Equal("ello.", string.Concat(rest.TrimEnd('\n').Split('\n').Select(TextOf)));

        static string TextOf(string line) => JsonElement.Parse(line).GetProperty("message").GetProperty("content").GetString()!;
    }

    [Fact]
    public async Task Stream_WaitsForItsTurn_CommentsSendTheHeaders()
    {
        await using var gateway = await StartAsync(pauseAt: 0);
        var posting = gateway.PostAsync("/v1/completions", """{"prompt":"A","stream":true}""", HttpCompletionOption.ResponseHeadersRead);
        await AdvanceUntilAsync(() => posting.IsCompleted);
        using var response = await posting;
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.ToString());
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        Assert.Equal(": waiting", await lines.ReadLineAsync(TestContext.Current.CancellationToken));

        // A fault can no longer be a status, so it is an event.
        go.SetException(new GenerationException(GenerationError.Unavailable, "The stage was lost."));
        var rest = await lines.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.Contains("data: {\"error\":{\"message\":\"The stage was lost.\"", rest, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stream_RefusedAtOnce_GetsItsStatus()
    {
        await using var gateway = await StartAsync(pauseAt: 0);
        go.SetException(new GenerationException(GenerationError.Overloaded, "Too many wait."));
        using var response = await gateway.PostAsync("/v1/completions", """{"prompt":"A","stream":true}""");
        Assert.Equal(429, (int)response.StatusCode);
    }

    private async Task<TestGateway> StartAsync(int pauseAt)
    {
        var gateway = await TestGateway.StartAsync(new TestTokenizer(), time: time);
        gateway.Grain.BeforeToken = (position, ending) => position == pauseAt ? go.Task.WaitAsync(ending) : Task.CompletedTask;
        return gateway;
    }

    private async Task<List<string>> ReadToCommentAsync(StreamReader lines)
    {
        List<string> read = [];
        do
        {
            var line = lines.ReadLineAsync(TestContext.Current.CancellationToken).AsTask();
            await AdvanceUntilAsync(() => line.IsCompleted);
            read.Add((await line)!);
        }
        while (!read[^1].StartsWith(':'));
        return read;
    }

    // The gateway sets its timer at a moment that nobody sees.
    private async Task AdvanceUntilAsync(Func<bool> holds)
    {
        for (var tries = 0; tries < 1000 && !holds(); tries++)
        {
            await Task.Delay(5, TestContext.Current.CancellationToken);
            if (!holds()) time.Advance(SilenceWatch.Silence);
        }

        Assert.True(holds());
    }
}
