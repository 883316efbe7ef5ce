using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Llama.Gateway.Tests.Api.Keys;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;
using Llama.Grains.Telemetry;

namespace Llama.Gateway.Tests.Api.Telemetry;

/// <summary>What is measured and logged of a request; each test has a model of its own, whose measurements are its own.</summary>
public sealed class RequestTelemetryTests : IDisposable
{
    private readonly string model = $"model-{Guid.NewGuid():N}";
    private readonly ConcurrentQueue<(string Name, double Value, Dictionary<string, object?> Tags)> measured = new();
    private readonly ConcurrentQueue<(string Name, string Operation, string Error)> refused = new();
    private readonly MeterListener listener = new()
    {
        InstrumentPublished = (instrument, own) =>
        {
            if (instrument.Meter.Name == Instruments.Name) own.EnableMeasurementEvents(instrument);
        },
    };

    public RequestTelemetryTests()
    {
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
        {
            Dictionary<string, object?> all = tags.ToArray().ToDictionary();
            if (Equals(all.GetValueOrDefault("gen_ai.request.model"), model)) measured.Enqueue((instrument.Name, value, all));
            if (!all.ContainsKey("gen_ai.request.model")) refused.Enqueue((instrument.Name, $"{all["gen_ai.operation.name"]}", $"{all["error.type"]}"));
        });
        listener.Start();
    }

    public void Dispose() => listener.Dispose();

    [Theory]
    [InlineData("/v1/completions", "text_completion", """{"prompt":"Hi","max_tokens":3}""")]
    [InlineData("/v1/completions", "text_completion", """{"prompt":"Hi","max_tokens":3,"stream":true}""")]
    [InlineData("/v1/chat/completions", "chat", """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":3}""")]
    public async Task Request_ThatIsAnswered_IsInAllHistogramsAndOneLine(string path, string operation, string body)
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), name: model);
        gateway.Grain.BeforeToken = (_, ending) => Task.Delay(TimeSpan.FromMilliseconds(20), ending);

        using (HttpResponseMessage response = await gateway.PostAsync(path, body)) Assert.Equal(200, (int)response.StatusCode);
        await gateway.StopAsync();

        Dictionary<string, double> values = measured.ToDictionary(one => one.Name, one => one.Value);
        Assert.Equal(
            ["gen_ai.server.request.duration", "gen_ai.server.time_per_output_token", "gen_ai.server.time_to_first_token"],
            values.Keys.Order());
        Assert.InRange(values["gen_ai.server.time_to_first_token"], 0.015, values["gen_ai.server.request.duration"]);
        Assert.InRange(values["gen_ai.server.time_per_output_token"], 0.015, values["gen_ai.server.request.duration"]);
        Assert.All(measured, one => Assert.Equal(
            (operation, "llama", null),
            (one.Tags["gen_ai.operation.name"], one.Tags["gen_ai.provider.name"], one.Tags.GetValueOrDefault("error.type"))));
        Assert.Single(gateway.Logs.Lines, line => line.Contains($"{operation} req_", StringComparison.Ordinal));
    }

    /// <summary>They have no model that tells them from those of other tests, so there may be more.</summary>
    [Fact]
    public async Task Request_ThatIsRefusedForItsKey_IsCountedWithItsError()
    {
        using var file = new KeyFile(key => key with { RequestsPerMinute = 1 });
        await using var gateway = await file.StartAsync(shows: false);
        Assert.Equal(401, (await gateway.PostErrorAsync("/v1/chat/completions", "{}")).Status);
        gateway.Client.DefaultRequestHeaders.Authorization = new("Bearer", file.Key);
        await gateway.PostOkAsync("/v1/completions", """{"prompt":"Hi"}""");
        Assert.Equal(429, (await gateway.PostErrorAsync("/v1/completions", """{"prompt":"Hi"}""")).Status);
        await gateway.StopAsync();
        Assert.Contains(("gen_ai.server.request.duration", "chat", "invalid_api_key"), refused);
        Assert.Contains(("gen_ai.server.request.duration", "text_completion", "rate_limit_exceeded"), refused);
    }

    [Fact]
    public async Task Request_ThatIsRefusedByTheGrain_HasItsErrorAndNoTokenTimes()
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), name: model);
        gateway.Grain.BeforeToken = (_, _) => throw new GenerationException(
            GenerationError.Overloaded, "Too many wait.");

        using (HttpResponseMessage response = await gateway.PostAsync("/v1/completions", """{"prompt":"Hi"}""")) Assert.Equal(429, (int)response.StatusCode);
        await gateway.StopAsync();

        (string name, _, Dictionary<string, object?> tags) = Assert.Single(measured);
        Assert.Equal(("gen_ai.server.request.duration", "overloaded"), (name, tags["error.type"]));
        Assert.Single(gateway.Logs.Lines, line => line.Contains(": overloaded after", StringComparison.Ordinal));
    }
}
