using System.Net;
using System.Net.Http.Json;
using System.Text;
using Llama.Gateway.Api.Cluster;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Forwarding;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Directory;
using Llama.Grains.Gateway;
using Llama.Grains.Links;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Gateway.Tests.Forwarding;

/// <summary>Two gateways on real sockets, of which the other owns the pipelines; what it answers, a test says.</summary>
public sealed class OwnerForwarderTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly EmbeddedDirectory directory = new(TimeProvider.System);
    private WebApplication? owner;
    private WebApplication? here;
    private Ownership? others;
    private HttpClient? client;
    private RequestDelegate answer = _ => Task.CompletedTask;

    private static Uri Root { get; } = new("/", UriKind.Relative);

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        owner = Build(_ => { });
        owner.Run(context => answer(context));
        await owner.StartAsync(TestEnds);
        others = new Ownership(directory, () => owner.Urls.First(), NullLogger.Instance);
        while (Ownership.Of(directory.View) is null) await directory.WaitForChangeAsync(directory.View.Version, TestEnds);

        here = Build(services =>
        {
            services.AddSingleton<IDirectory>(directory);
            services.AddSingleton(new LinkIdentity { Name = "gateway", Fingerprint = "f00d", ContextLength = 1, Key = new byte[] { 1 } });
            services.AddSingleton(_ => new Ownership(directory, () => null, NullLogger.Instance));
            services.AddSingleton<ApiGuard>();
            services.AddSingleton(new GatewayNames());
            services.AddSingleton<OperatorGuard>();
            services.AddSingleton<OwnerForwarder>();
        });
        here.Use(here.Services.GetRequiredService<OwnerForwarder>().HandleAsync);
        here.MapPost("/change", () => "changed here").WithMetadata(new ChangesCluster());
        here.Run(context => context.Response.WriteAsync("answered here", TestEnds));
        await here.StartAsync(TestEnds);
        client = new HttpClient { BaseAddress = new Uri(here.Urls.First()), Timeout = Deadline };
    }

    public async ValueTask DisposeAsync()
    {
        client?.Dispose();
        if (here is not null) await here.DisposeAsync();
        if (others is not null) await others.DisposeAsync();
        if (owner is not null) await owner.DisposeAsync();
        directory.Dispose();
    }

    [Fact]
    public async Task HandleAsync_Request_IsTheOwnersWithItsAnswer()
    {
        answer = async context =>
        {
            Assert.True(ForwardedClient.Restore(context, [1]));
            using var reader = new StreamReader(context.Request.Body);
            context.Response.StatusCode = 429;
            context.Response.Headers.RetryAfter = "7";
            context.Response.ContentType = "text/plain; charset=utf-8";
            await context.Response.WriteAsync(
                $"{context.Request.Method} {context.Request.Path}{context.Request.QueryString} {context.Request.Headers.Authorization}"
                + $" {context.Request.ContentType} {await reader.ReadToEndAsync(TestEnds)} {context.Connection.RemoteIpAddress}", TestEnds);
        };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions?a=%20b")
        {
            Content = new StringContent("body ✓", Encoding.UTF8),
        };
        request.Headers.Authorization = new("Bearer", "key");
        using HttpResponseMessage response = await client!.SendAsync(request, TestEnds);
        Assert.Equal((HttpStatusCode)429, response.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(7), response.Headers.RetryAfter!.Delta);
        Assert.Equal(
            "POST /v1/completions?a=%20b Bearer key text/plain; charset=utf-8 body ✓ 127.0.0.1",
            await response.Content.ReadAsStringAsync(TestEnds));
    }

    [Theory]
    [InlineData("ffffffffffffffff")]
    [InlineData("many")]
    public async Task HandleAsync_BodyThatIsNotHttp_IsTheClientsFault(string size)
    {
        answer = context => context.Request.Body.CopyToAsync(Stream.Null, TestEnds);
        var (status, _, body) = await RawHttp.SendAsync(
            client!.BaseAddress!, RawHttp.Post("/", "Transfer-Encoding: chunked", "Connection: close"), Encoding.ASCII.GetBytes($"{size}\r\nx"));
        ApiError.Read(body, status).Is(400, null, "The request is not valid HTTP.");
    }

    [Fact]
    public async Task HandleAsync_RequestId_IsTheSameAtTheOwner()
    {
        answer = context => context.Response.WriteAsync($"{context.Request.Headers["x-request-id"]}", TestEnds);
        using HttpResponseMessage response = await client!.GetAsync(Root, TestEnds);
        Assert.Equal(Assert.Single(response.Headers.GetValues("x-request-id")), await response.Content.ReadAsStringAsync(TestEnds));
    }

    [Theory]
    [InlineData("127.0.0.1", null, 401)]
    [InlineData("127.0.0.1", "http://evil.example", 403)]
    [InlineData("evil.example", null, 403)]
    public async Task HandleAsync_ChangeOfTheCluster_IsCheckedBeforeItIsForwarded(string host, string? origin, int status)
    {
        answer = _ => throw new InvalidOperationException("The owner was asked.");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/change");
        request.Headers.Host = host;
        if (origin is not null) request.Headers.Add("Origin", origin);
        using HttpResponseMessage response = await client!.SendAsync(request, TestEnds);
        Assert.Equal(status, (int)response.StatusCode);
    }

    [Fact]
    public async Task HandleAsync_Stream_ComesPieceByPiece()
    {
        using var next = new SemaphoreSlim(0);
        answer = async context =>
        {
            for (int i = 0; i < 3; i++)
            {
                await context.Response.WriteAsync($"{i}", TestEnds);
                await context.Response.Body.FlushAsync(TestEnds);
                await next.WaitAsync(TestEnds);
            }
        };
        using HttpResponseMessage response = await client!.GetAsync(Root, HttpCompletionOption.ResponseHeadersRead, TestEnds);
        await using Stream body = await response.Content.ReadAsStreamAsync(TestEnds);
        byte[] piece = new byte[10];
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(1, await body.ReadAsync(piece, TestEnds).AsTask().WaitAsync(Deadline, TestEnds));
            Assert.Equal('0' + i, piece[0]);
            next.Release();
        }

        Assert.Equal(0, await body.ReadAsync(piece, TestEnds));
    }

    [Fact]
    public async Task HandleAsync_ClientGoesAway_TheOwnerHearsOfIt()
    {
        var gone = new TaskCompletionSource();
        answer = async context =>
        {
            using CancellationTokenRegistration aborted = context.RequestAborted.Register(gone.SetResult);
            await context.Response.WriteAsync("x", TestEnds);
            await context.Response.Body.FlushAsync(TestEnds);
            await gone.Task.WaitAsync(TestEnds);
        };
        var handler = new SocketsHttpHandler { ResponseDrainTimeout = TimeSpan.Zero };
        using (var leaving = new HttpClient(handler) { BaseAddress = client!.BaseAddress })
        using (await leaving.GetAsync(Root, HttpCompletionOption.ResponseHeadersRead, TestEnds))
            Assert.False(gone.Task.IsCompleted);
        await gone.Task.WaitAsync(Deadline, TestEnds);
    }

    [Fact]
    public async Task HandleAsync_OwnerBreaksItsAnswerOff_SoIsThisOne()
    {
        answer = async context =>
        {
            await context.Response.WriteAsync("half", TestEnds);
            await context.Response.Body.FlushAsync(TestEnds);
            context.Abort();
        };
        await Assert.ThrowsAsync<HttpRequestException>(() => client!.GetStringAsync(Root, TestEnds));
    }

    [Fact]
    public async Task HandleAsync_OwnerThatDied_Is503UntilThisOneSucceedsIt()
    {
        await owner!.StopAsync(TestEnds);
        using HttpResponseMessage response = await client!.GetAsync(Root, TestEnds);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(1), response.Headers.RetryAfter!.Delta);
        ErrorBody? body = await response.Content.ReadFromJsonAsync<ErrorBody>(TestEnds);
        Assert.Contains("which owned the pipelines, is gone", body!.Error.Message, StringComparison.Ordinal);

        await others!.DisposeAsync();
        await OwnsAsync();
        Assert.Equal("answered here", await client.GetStringAsync(Root, TestEnds));
    }

    [Fact]
    public async Task HandleAsync_OwnerThatHangsAndIsSucceeded_EndsTheRequest()
    {
        var asked = new TaskCompletionSource();
        answer = context =>
        {
            asked.SetResult();
            return Task.Delay(Timeout.Infinite, context.RequestAborted);
        };
        Task<HttpResponseMessage> waiting = client!.GetAsync(Root, TestEnds);
        await asked.Task.WaitAsync(Deadline, TestEnds);
        await others!.DisposeAsync();
        using HttpResponseMessage response = await waiting.WaitAsync(Deadline, TestEnds);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
    }

    [Fact]
    public async Task HandleAsync_RequestThatWasForwarded_IsAnsweredHere()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.Add(ForwardedClient.Header, "127.0.0.1 00");
        using HttpResponseMessage response = await client!.SendAsync(request, TestEnds);
        Assert.Equal("answered here", await response.Content.ReadAsStringAsync(TestEnds));
    }

    private static WebApplication Build(Action<IServiceCollection> configure)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        configure(builder.Services);
        return builder.Build();
    }

    private async Task OwnsAsync()
    {
        var mine = here!.Services.GetRequiredService<Ownership>();
        while (Ownership.Of(directory.View) is not { } present || !mine.IsMine(present))
            await directory.WaitForChangeAsync(directory.View.Version, TestEnds).WaitAsync(Deadline, TestEnds);
    }

    private sealed record ErrorBody(ErrorText Error);

    private sealed record ErrorText(string Message);
}
