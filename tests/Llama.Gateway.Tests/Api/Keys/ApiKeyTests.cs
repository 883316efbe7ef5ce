extern alias client;

using System.Diagnostics;
using System.Text.Json;
using Grpc.Core;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Keys;
using client::Llama.V1;

namespace Llama.Gateway.Tests.Api.Keys;

/// <summary>Who gets in with a file of keys, and how much of it.</summary>
public sealed class ApiKeyTests
{
    private const string Completions = "/v1/completions";
    private const string Request = """{"prompt":"Hi"}""";
    private static readonly string[] Paths = [Completions, "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens", "/tokenize", "/detokenize"];

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null, null)]
    [InlineData("Authorization", "Bearer wrong")]
    [InlineData("Authorization", "Basic KEY")]
    [InlineData("x-api-key", "KEYx")]
    public async Task Send_WithoutAGoodKey_Answers401(string? header, string? value)
    {
        using var file = new KeyFile();
        await using var gateway = await file.StartAsync(shows: false);
        if (header is not null)
            gateway.Client.DefaultRequestHeaders.TryAddWithoutValidation(header, value!.Replace("KEY", file.Key, StringComparison.Ordinal));
        foreach (string path in Paths)
            (await gateway.PostErrorAsync(path, Request)).Is(401, null, "The key is missing or not good here", "invalid_api_key");
        using var models = await gateway.Client.GetAsync("/v1/models", TestEnds);
        Assert.Equal((401, "Bearer"), ((int)models.StatusCode, models.Headers.WwwAuthenticate.ToString()));

        // A load balancer has no key.
        await gateway.Client.GetStringAsync("/health", TestEnds);
        using var client = new RpcClient(gateway);
        Assert.Equal(StatusCode.Unauthenticated, (await client.RefusedAsync(new GenerateRequest { Prompt = "a" })).StatusCode);
        Assert.Equal(
            StatusCode.Unauthenticated,
            Assert.Throws<RpcException>(() => client.Inference.ListModels(new ListModelsRequest(), cancellationToken: TestEnds)).StatusCode);
        Assert.Empty(gateway.Grain.Requests);
    }

    [Theory]
    [InlineData("authorization", "Bearer ")]
    [InlineData("authorization", "bearer ")]
    [InlineData("x-api-key", "")]
    public async Task Send_WithTheKey_IsAnsweredAndKnownByItsId(string header, string scheme)
    {
        using var file = new KeyFile();
        await using var gateway = await file.StartAsync(shows: false);
        gateway.Client.DefaultRequestHeaders.TryAddWithoutValidation(header, scheme + file.Key);
        await gateway.PostOkAsync(Completions, Request);
        using var client = new RpcClient(gateway);
        await client.GenerateAsync(new GenerateRequest { Prompt = "a" }, (header, scheme + file.Key));
        Assert.All(gateway.Grain.Requests, request => Assert.Equal($"key {file.Made.Id}", request.Client));
    }

    [Fact]
    public async Task Send_KeyIsRevoked_Answers401WithinTwoSecondsAndNoLogHasIt()
    {
        using var file = new KeyFile();
        await using var gateway = await file.StartAsync();
        await gateway.PostOkAsync(Completions, Request);
        ApiKeyFile.Change(file.Path, before => [ApiKey.Create("bob", DateTimeOffset.UnixEpoch, out _)]);
        var since = Stopwatch.StartNew();
        int status = 200;
        while (status == 200 && since.Elapsed < TimeSpan.FromSeconds(10))
        {
            using var response = await gateway.PostAsync(Completions, Request);
            status = (int)response.StatusCode;
            await Task.Delay(50, TestEnds);
        }

        Assert.Equal(401, status);
        Assert.InRange(since.Elapsed.TotalSeconds, 0, 2);
        Assert.NotEmpty(gateway.Logs.Lines);
        Assert.All(gateway.Logs.Lines, message => Assert.DoesNotContain(file.Key["sk-llama-".Length..], message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_FileIsBrokenOrGone_TheKeysStay(bool gone)
    {
        using var file = new KeyFile();
        await using var gateway = await file.StartAsync();
        if (gone) File.Delete(file.Path);
        else await File.WriteAllTextAsync(file.Path, "{", TestEnds);
        for (int i = 0; i < 100 && !IsSaid(); i++) await Task.Delay(50, TestEnds);
        Assert.True(IsSaid());
        await gateway.PostOkAsync(Completions, Request);

        bool IsSaid() => gateway.Logs.Lines.Any(message => message.Contains("The API keys stay as they were", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Send_MoreRequestsThanAMinuteHas_Answers429WithRetryAfter()
    {
        using var file = new KeyFile(key => key with { RequestsPerMinute = 2 });
        await using var gateway = await file.StartAsync();
        await gateway.PostOkAsync(Completions, Request);
        await gateway.PostOkAsync("/tokenize", Request);
        var error = await gateway.PostErrorAsync(Completions, Request);
        error.Is(429, null, $"The key {file.Made.Id} may have 2 requests a minute.", "rate_limit_exceeded");
        Assert.InRange(error.RetryAfter!.Value, 20, 30);
        Assert.Single(gateway.Grain.Requests);
    }

    [Fact]
    public async Task Send_MoreTokensThanAMinuteHas_Answers429WithRetryAfter()
    {
        // Prompt 3 and answer 7: the answer counts against the request after it.
        using var file = new KeyFile(key => key with { TokensPerMinute = 12 });
        await using var gateway = await file.StartAsync();
        await gateway.PostOkAsync(Completions, Request);
        var error = await gateway.PostErrorAsync(Completions, Request);
        error.Is(429, null, "may have 12 tokens a minute", "rate_limit_exceeded");
        Assert.InRange(error.RetryAfter!.Value, 1, 60);
    }

    [Fact]
    public async Task Send_MoreStreamsThanTheKeyHas_Answers429UntilOneEnds()
    {
        using var file = new KeyFile(key => key with { ConcurrentStreams = 1 });
        await using var gateway = await file.StartAsync();
        var going = new TaskCompletionSource();
        gateway.Grain.BeforeToken = (_, ending) => going.Task.WaitAsync(ending);
        Task<JsonElement> first = gateway.PostOkAsync(Completions, Request);
        while (gateway.Grain.Requests.IsEmpty) await Task.Delay(10, TestEnds);
        var error = await gateway.PostErrorAsync(Completions, Request);
        error.Is(429, null, "may have 1 answers at the same time", "rate_limit_exceeded");
        using var client = new RpcClient(gateway);
        Assert.Equal(
            StatusCode.ResourceExhausted, (await client.RefusedAsync(new GenerateRequest { Prompt = "a" }, ("x-api-key", file.Key))).StatusCode);
        going.SetResult();
        await first;
        await gateway.PostOkAsync(Completions, Request);
        Assert.NotEmpty(await client.GenerateAsync(new GenerateRequest { Prompt = "a" }, ("x-api-key", file.Key)));
    }

    [Fact]
    public async Task Send_PriorityBeyondTheKeys_Answers400NamingIt()
    {
        using var file = new KeyFile(key => key with { Priority = -2 });
        await using var gateway = await file.StartAsync();
        await gateway.PostOkAsync(Completions, """{"prompt":"Hi","priority":-2}""");
        (await gateway.PostErrorAsync(Completions, """{"prompt":"Hi","priority":-3}""")).Is(400, "priority", "must be at least -2 with the key");
    }

    [Fact]
    public async Task Send_CachePerKey_HasASaltOfItsKey()
    {
        using var file = new KeyFile();
        await using var gateway = await file.StartAsync(cachePerKey: true);
        await gateway.PostOkAsync(Completions, Request);
        await gateway.PostOkAsync(Completions, """{"prompt":"Hi","cache_salt":"s"}""");
        Assert.Equal([$"{file.Made.Id}\n", $"{file.Made.Id}\ns"], gateway.Grain.Requests.Select(request => request.CacheSalt));
    }
}
