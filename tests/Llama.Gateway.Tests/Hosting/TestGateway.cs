using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using Llama.Gateway.Api;
using Llama.Gateway.Api.Cluster;
using Llama.Gateway.Api.Keys;
using Llama.Gateway.Api.Rpc;
using Llama.Grains.Gateway;
using Llama.Grains.Hosting;
using Llama.Grains.Text;
using Llama.Model;
using Llama.Model.Chat;
using Llama.Model.Sampling;
using Llama.Tests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Llama.Gateway.Tests.Hosting;

/// <summary>The HTTP front on a real socket, before a scripted gateway grain.</summary>
internal sealed class TestGateway : IAsyncDisposable
{
    private readonly WebApplication app;

    private TestGateway(WebApplication app, ScriptedGrain grain, RecordingLogger logs)
    {
        this.app = app;
        Grain = grain;
        Logs = logs;
        Client = new HttpClient { BaseAddress = new Uri(app.Urls.First()), Timeout = TimeSpan.FromSeconds(30) };
    }

    public ScriptedGrain Grain { get; }

    public RecordingLogger Logs { get; }

    public HttpClient Client { get; }

    /// <summary>All routes.</summary>
    public IReadOnlyList<Endpoint> Endpoints => app.Services.GetRequiredService<EndpointDataSource>().Endpoints;

    /// <summary>Where gRPC listens.</summary>
    public string RpcUrl => app.Urls.Last();

    public static async Task<TestGateway> StartAsync(
        TestTokenizer? tokenizer, string? template = "plain", string key = "", TimeProvider? time = null,
        bool ignoreUnknownFields = false, string name = "test-model", SamplingParameters? sampling = null, string? jinja = null,
        Func<LocalModel, IModelSource>? change = null, ApiAccess? access = null, OrleansSilo? orleans = null)
    {
        var shape = new ModelShape(
            name, "f00d", ContextLength: 64, tokenizer?.VocabSize ?? TestTokenizer.FirstWord, sampling ?? new SamplingParameters());
        var grain = new ScriptedGrain();
        var logs = new RecordingLogger();
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0);
            kestrel.Listen(IPAddress.Loopback, 0, port => port.Protocols = HttpProtocols.Http2);
        });
        builder.Logging.ClearProviders().AddProvider(logs);
        builder.Services.AddSingleton<IGateway>(grain);
        builder.Services.AddSingleton(new Random(7));
        if (time is not null) builder.Services.AddSingleton(time);
        if (orleans is not null) builder.Services.AddSingleton(new OrleansPage(orleans));
        var chat = tokenizer is null || template is null ? null
            : jinja is null ? ChatTemplates.Create(template, tokenizer) : OwnTemplate(jinja, tokenizer);
        var created = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);
        var model = new LocalModel(shape, Task.FromResult(new ModelText(tokenizer, chat)));
        var source = change?.Invoke(model) ?? model;
        builder.Services.AddSingleton(source);
        builder.Services.AddSingleton(new Grammars(source, [TestTokenizer.End]));
        builder.Services.AddLlamaApi(Encoding.UTF8.GetBytes(key), ignoreUnknownFields, access ?? new ApiAccess(), "the-gateway.example:80");
        builder.Services.AddLlamaRpc();
        builder.Services.AddSingleton(new ServedModel(source, created));
        var app = builder.Build();
        app.UseLlamaOrigins();
        app.MapLlamaApi();
        app.MapLlamaRpc();
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new TestGateway(app, grain, logs);
    }

    public static Task<TestGateway> StartAsync() => StartAsync(new TestTokenizer());

    public Task StopAsync() => app.StopAsync(TestContext.Current.CancellationToken);

    public Task<HttpResponseMessage> PostAsync(
        string path, string json, HttpCompletionOption completion = HttpCompletionOption.ResponseContentRead) =>
        PostAsync(path, Encoding.UTF8.GetBytes(json), completion);

    public async Task<HttpResponseMessage> PostAsync(
        string path, byte[] body, HttpCompletionOption completion = HttpCompletionOption.ResponseContentRead)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new("application/json");
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
        return await Client.SendAsync(request, completion, TestContext.Current.CancellationToken);
    }

    /// <summary>Posts and expects 200 with JSON.</summary>
    public async Task<JsonElement> PostOkAsync(string path, string json)
    {
        using var response = await PostAsync(path, json);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("application/json", response.Content.Headers.ContentType?.ToString());
        return await response.Content.ReadFromJsonAsync<JsonElement>(TestContext.Current.CancellationToken);
    }

    /// <summary>Posts and expects an error in OpenAI's shape.</summary>
    public async Task<ApiError> PostErrorAsync(string path, string json)
    {
        using var response = await PostAsync(path, json);
        return await ApiError.ReadAsync(response);
    }

    /// <summary>Posts and expects a stream of events; returns their data, <c>[DONE]</c> included.</summary>
    public async Task<IReadOnlyList<string>> PostStreamAsync(string path, string json)
    {
        using var response = await PostAsync(path, json, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.ToString());
        Assert.Equal("no-cache", response.Headers.CacheControl?.ToString());
        var body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.EndsWith("\n\n", body, StringComparison.Ordinal);
        var events = body[..^2].Split("\n\n");
        Assert.All(events, data => Assert.StartsWith("data: ", data, StringComparison.Ordinal));
        return [.. events.Select(data => data["data: ".Length..])];
    }

    /// <summary>Posts and expects a stream of events with names; returns their data, whose types are the names.</summary>
    public async Task<IReadOnlyList<JsonElement>> PostEventsAsync(string path, string json)
    {
        using var response = await PostAsync(path, json);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.ToString());
        var events = new List<JsonElement>();
        await using var body = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        await foreach (var item in SseParser.Create(body).EnumerateAsync(TestContext.Current.CancellationToken))
        {
            events.Add(JsonElement.Parse(item.Data));
            Assert.Equal(item.EventType, events[^1].GetProperty("type").GetString());
        }

        return events;
    }

    /// <summary>Posts and expects a complete stream; returns its parts without <c>[DONE]</c>.</summary>
    public async Task<IReadOnlyList<JsonElement>> PostPartsAsync(string path, string json)
    {
        var events = await PostStreamAsync(path, json);
        Assert.Equal("[DONE]", events[^1]);
        return [.. events.SkipLast(1).Select(data => JsonElement.Parse(data))];
    }

    /// <summary>The template of a checkpoint that has one of its own.</summary>
    private static ChatTemplate OwnTemplate(string jinja, TestTokenizer tokenizer)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["chat_template.jinja"], jinja);
        return ChatTemplates.Choose(folder.Path, LlamaFamily.Llama2, tokenizer, option: null, out _);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await app.DisposeAsync();
        Grain.Dispose();
    }
}
