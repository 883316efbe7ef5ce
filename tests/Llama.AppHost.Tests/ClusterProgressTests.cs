using System.Net;
using System.Text.Json;
using Llama.Grains.Gateway;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Llama.AppHost.Tests;

public sealed class ClusterProgressTests : IAsyncDisposable
{
    private readonly Lines _output = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly HttpClient _client = new();
    private volatile ClusterStatus? _status;
    private WebApplication? _server;
    private Task _watching = Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _watching;
        if (_server is not null)
            await _server.DisposeAsync();
        _output.Dispose();
        _client.Dispose();
        _stopping.Dispose();
    }

    [Fact]
    public async Task WatchAsync_ClusterLoads_SaysEachChangeOnceAndWhereToGo()
    {
        ClusterProgress progress = await WatchAsync();
        _status = Status("loading", "the silos load", ready: false);
        await _output.WaitForAsync("loads layers 4 to 7");
        Assert.False(progress.WasReady);
        Assert.Equal((HealthStatus.Unhealthy, "the silos load"), (progress.HealthOfGateway.Status, progress.HealthOfGateway.Description));
        Assert.Equal(HealthStatus.Unhealthy, progress.HealthOf("silo-1").Status);
        _status = Status("ready", null, ready: true);
        await _output.WaitForAsync("Ctrl-C");

        Assert.True(progress.WasReady);
        Assert.True(progress.WasThere);
        Assert.Equal(HealthStatus.Healthy, progress.HealthOfGateway.Status);
        Assert.Equal(HealthStatus.Healthy, progress.HealthOf("silo-2").Status);
        Assert.Equal(HealthStatus.Healthy, progress.HealthOf("silo-3").Status);
        Assert.Equal(HealthStatus.Unhealthy, progress.HealthOf("silo-4").Status);
        string address = _client.BaseAddress!.ToString().TrimEnd('/');
        string[] lines = [.. _output.All];
        Assert.Equal(
            [
                "silo-1 (process 11) loads layers 0 to 3",
                "silo-2 (process 12) loads layers 4 to 7",
                "silo-1 (process 11) holds layers 0 to 3, 1.8 MiB",
                "silo-2 (process 12) holds layers 4 to 7, 1.8 MiB",
                "silo-3 stands by",
                "",
            ],
            lines[..6]);
        Assert.Matches(@"^it's is ready after \d+\.\d s\.$", lines[6]);
        Assert.Equal($"  Web page         {address}/", lines[8]);
        Assert.Equal($"  OpenAI base URL  {address}/v1", lines[9]);
        Assert.Equal("  Dashboard        http://127.0.0.1:1/login?t=x", lines[10]);
    }

    [Fact]
    public async Task WatchAsync_Ready_CurlLineCarriesValidJsonInOneShellWord()
    {
        await WatchAsync();
        _status = Status("ready", null, ready: true);
        await _output.WaitForAsync("Ctrl-C");

        string curl = _output.All.Single(line => line.Contains("curl"));
        Assert.Contains("/v1/chat/completions ", curl, StringComparison.Ordinal);
        string body = curl[(curl.IndexOf("-d '", StringComparison.Ordinal) + 4)..^1];
        Assert.DoesNotContain('\'', body);
        Assert.Equal("it's", JsonDocument.Parse(body).RootElement.GetProperty("model").GetString());
        Assert.EndsWith("'", curl, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WatchAsync_StageIsLostAndReplaced_SaysSo()
    {
        await WatchAsync();
        _status = Status("ready", null, ready: true);
        await _output.WaitForAsync("Ctrl-C");
        _status = Status("lost", "silo-2 is lost", ready: false);
        await _output.WaitForAsync("not ready: silo-2 is lost");
        _status = Status("ready", null, ready: true);
        await _output.WaitForAsync("ready again");

        Assert.Contains("silo-2 (process 12) with layers 4 to 7 is lost", _output.All);
    }

    [Fact]
    public async Task WatchAsync_AnswerIsNoStatus_SaysSoAndGoesOn()
    {
        await WatchAsync("\"nonsense\"");
        await _output.WaitForAsync("GET /cluster is not what was expected");
        _status = Status("ready", null, ready: true);
        await _output.WaitForAsync("Ctrl-C");
    }

    /// <summary>Watches a real HTTP server that answers with <see cref="_status"/>, or with a text while there is none.</summary>
    private async Task<ClusterProgress> WatchAsync(string withoutStatus = "null")
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        _server = builder.Build();
        _server.MapGet("/health", () => Results.StatusCode(_status is { Ready: true } ? 200 : 503));
        _server.MapGet("/cluster", () => _status is { } status ? Results.Json(status) : Results.Text(withoutStatus, "application/json"));
        await _server.StartAsync();

        _client.BaseAddress = new Uri(_server.Urls.Single());
        var progress = new ClusterProgress(_client, new AppHostConsole(_output, false, false), TimeProvider.System)
        {
            Dashboard = "http://127.0.0.1:1/login?t=x",
        };
        _watching = progress.WatchAsync(_stopping.Token);
        return progress;
    }

    private static ClusterStatus Status(string state, string? reason, bool ready) => new()
    {
        Epoch = 1,
        Model = "it's",
        Ready = ready,
        Reason = reason,
        MaxSequenceTokens = 512,
        Pipelines =
        [
            new() { Replica = 0, Running = 0, Waiting = 0, Blocks = 64, FreeBlocks = 64, SampledTokens = 0, Stages = [Stage(1, state), Stage(2, state)] },
        ],
        Standby = ["silo-3"],
    };

    private static StageStatus Stage(int number, string state) => new()
    {
        Silo = $"silo-{number}",
        Address = "127.0.0.1:40001",
        ProcessId = 10 + number,
        Layers = [(number - 1) * 4, number * 4],
        WeightBytes = 1843200,
        State = state,
    };
}
