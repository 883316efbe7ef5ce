using System.Text.Json;
using Llama.Gateway.Api.Retries;
using Llama.Gateway.Tests.Hosting;
using Llama.Tests;

namespace Llama.Gateway.Tests.Api.Retries;

/// <summary>Requests with an Idempotency-Key, over HTTP.</summary>
public sealed class KeptAnswersTests
{
    private const string Path = "/v1/completions";
    private const string Body = """{"prompt":"Hi","stream":true}""";

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Post_KeyOfACompleteAnswer_GivesItAgainByteForByte()
    {
        await using var gateway = await TestGateway.StartAsync();
        var first = await PostAsync(gateway, "k", Body);
        var second = await PostAsync(gateway, "k", Body);
        Assert.Equal(200, first.Status);
        Assert.Contains("Hello.", Text(first.Body), StringComparison.Ordinal);
        Assert.Equal(first, second);
        Assert.Single(gateway.Grain.Requests);

        // Other clients have keys of their own.
        await PostAsync(gateway, "k", Body, authorization: "Bearer another");
        await PostAsync(gateway, "k2", Body);
        Assert.Equal(3, gateway.Grain.Requests.Count);
    }

    [Theory]
    [InlineData("/v1/completions", """{"prompt":"Hi","max_tokens":20}""")]
    [InlineData("/v1/chat/completions", """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":20}""")]
    public async Task Post_WholeAnswerAgain_IsTheSameAndHasTheSameId(string path, string body)
    {
        await using var gateway = await TestGateway.StartAsync();
        var first = await PostAsync(gateway, "k", body, path);
        Assert.Equal(200, first.Status);
        Assert.Equal(first, await PostAsync(gateway, "k", body, path));
        Assert.Single(gateway.Grain.Requests);
    }

    [Fact]
    public async Task PostStream_RetryAfterTheConnectionBroke_GetsAllFromTheFirstTokenAndGoesOn()
    {
        await using var gateway = await TestGateway.StartAsync();
        var goOn = new TaskCompletionSource();
        gateway.Grain.BeforeToken = (position, token) => position < 3 ? Task.CompletedTask : goOn.Task.WaitAsync(token);
        using (var response = await SendAsync(gateway, "k", Body, Path, null))
        {
            var stream = await response.Content.ReadAsStreamAsync(TestEnds);
            Assert.True(await stream.ReadAsync(new byte[16], TestEnds) > 0);
        }

        using var retry = await SendAsync(gateway, "k", Body, Path, null);
        goOn.SetResult();
        Assert.Equal("Hello.", Text(await retry.Content.ReadAsStringAsync(TestEnds)));
        Assert.Single(gateway.Grain.Requests);
        Assert.Equal(0, gateway.Grain.Cancelled);
        Assert.Empty(gateway.Logs.Errors);
    }

    [Fact]
    public async Task Post_AnotherRequestUnderTheKey_IsRefused()
    {
        await using var gateway = await TestGateway.StartAsync();
        await PostAsync(gateway, "k", Body);
        var other = await PostAsync(gateway, "k", """{"prompt":"Ho","stream":true}""");
        Assert.Equal(422, other.Status);
        Assert.Contains("idempotency_key_reused", other.Body, StringComparison.Ordinal);
        Assert.Single(gateway.Grain.Requests);
    }

    [Fact]
    public async Task Post_RetryOfAFailure_TriesAgain()
    {
        await using var gateway = await TestGateway.StartAsync();
        gateway.Grain.BeforeToken = (_, _) => throw new InvalidOperationException("broken");
        Assert.Equal(500, (await PostAsync(gateway, "k", Body)).Status);
        gateway.Grain.BeforeToken = (_, _) => Task.CompletedTask;
        var retry = await PostAsync(gateway, "k", Body);
        Assert.Equal((200, "Hello."), (retry.Status, Text(retry.Body)));
    }

    [Fact]
    public async Task Post_WithoutSeed_TakesItFromTheKeySoThatAnotherGatewaySamplesTheSame()
    {
        await using var one = await TestGateway.StartAsync();
        await using var other = await TestGateway.StartAsync();
        await PostAsync(one, "k", Body);
        await PostAsync(other, "k", Body);
        await PostAsync(other, "k2", Body);
        await PostAsync(other, "k3", """{"prompt":"Hi","seed":5}""");
        ulong[] seeds = [.. other.Grain.Requests.Select(request => request.Seed)];
        Assert.Equal(one.Grain.Single.Seed, seeds[0]);
        Assert.NotEqual(seeds[0], seeds[1]);
        Assert.Equal(5ul, seeds[2]);
    }

    [Fact]
    public async Task Post_MoreKeysThanAClientMayHave_ForgetsTheOldestAndRefusesWhenNoneIsComplete()
    {
        await using var gateway = await TestGateway.StartAsync();
        for (var i = 0; i <= KeptAnswers.MostOfClient; i++) await PostAsync(gateway, $"k{i}", Body);
        await PostAsync(gateway, "k1", Body);
        Assert.Equal(KeptAnswers.MostOfClient + 1, gateway.Grain.Requests.Count);
        await PostAsync(gateway, "k0", Body);
        Assert.Equal(KeptAnswers.MostOfClient + 2, gateway.Grain.Requests.Count);

        gateway.Grain.BeforeToken = (position, token) => position == 0 ? Task.CompletedTask : Task.Delay(Timeout.Infinite, token);
        List<HttpResponseMessage> running = [];
        for (var i = 0; i < KeptAnswers.MostOfClient; i++) running.Add(await SendAsync(gateway, $"r{i}", Body, Path, null));
        Assert.All(running, response => Assert.Equal(200, (int)response.StatusCode));
        Assert.Equal(429, (await PostAsync(gateway, "one more", Body)).Status);
        running.ForEach(response => response.Dispose());
    }

    [Fact]
    public async Task Post_KeyOfLongAgo_BeginsAgain()
    {
        var time = new ManualTime();
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), time: time);
        await PostAsync(gateway, "k", Body);
        time.Advance(KeptAnswers.KeepTime);
        await PostAsync(gateway, "k", Body);
        Assert.Single(gateway.Grain.Requests);
        time.Advance(TimeSpan.FromSeconds(1));
        await PostAsync(gateway, "k", Body);
        Assert.Equal(2, gateway.Grain.Requests.Count);
    }

    [Fact]
    public async Task PostStream_NobodyComesBack_EndsWhenItsPatienceIsOver()
    {
        var time = new ManualTime();
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), time: time);
        gateway.Grain.BeforeToken = (position, token) => position < 2 ? Task.CompletedTask : Task.Delay(Timeout.Infinite, token);
        (await SendAsync(gateway, "k", Body, Path, null)).Dispose();
        var ended = gateway.Grain.WaitForEndAsync();

        // The gateway sees the connection end a little later, and counts from then.
        while (!ended.IsCompleted)
        {
            await Task.Delay(10, TestEnds);
            time.Advance(KeptAnswer.Patience / 4);
        }

        await ended;
        Assert.Equal(1, gateway.Grain.Cancelled);
        Assert.Empty(gateway.Logs.Errors);
    }

    [Fact]
    public async Task Post_KeyThatIsTooLong_IsRefused()
    {
        await using var gateway = await TestGateway.StartAsync();
        Assert.Equal(400, (await PostAsync(gateway, new string('k', 256), Body)).Status);
        Assert.Empty(gateway.Grain.Requests);
    }

    private static string Text(string events) => string.Concat(
        from line in events.Split('\n')
        where line.StartsWith("data: {", StringComparison.Ordinal)
        select JsonElement.Parse(line["data: ".Length..]).GetProperty("choices")[0].GetProperty("text").GetString());

    private static async Task<(int Status, string Body)> PostAsync(
        TestGateway gateway, string key, string body, string path = Path, string? authorization = null)
    {
        using var response = await SendAsync(gateway, key, body, path, authorization);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(TestEnds));
    }

    private static async Task<HttpResponseMessage> SendAsync(TestGateway gateway, string key, string body, string path, string? authorization)
    {
        using var content = new StringContent(body);
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
        request.Headers.Add("Idempotency-Key", key);
        if (authorization is not null) request.Headers.Add("Authorization", authorization);
        return await gateway.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestEnds);
    }
}
