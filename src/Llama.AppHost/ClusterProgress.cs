using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Llama.Grains.Certificates;
using Llama.Grains.Gateway;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Llama.AppHost;

/// <summary>Watches the cluster through the gateway's HTTP API and says what changes: layers loading, ready, stages lost.</summary>
/// <param name="client">A client whose base address is the gateway.</param>
/// <param name="console">Where to say it.</param>
/// <param name="time">Measures the start and waits between looks.</param>
/// <param name="tls">The folder with the authority of the gateway's certificate; null where it serves HTTP.</param>
internal sealed class ClusterProgress(HttpClient client, AppHostConsole console, TimeProvider time, string? tls = null)
{
    private static readonly TimeSpan LookWhileLoading = TimeSpan.FromSeconds(0.1);
    private static readonly TimeSpan LookWhenReady = TimeSpan.FromSeconds(1);

    /// <summary>A start takes seconds; only one that takes longer has its reason told, which until then would read like a fault.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    private readonly Dictionary<string, string> _said = [];
    private readonly long _started = time.GetTimestamp();
    private bool _ready;
    private volatile bool _wasReady;
    private volatile bool _wasThere;
    private volatile ClusterStatus? _status;
    private volatile string? _reason = "It does not answer yet.";

    /// <summary>Whether the gateway has ever answered.</summary>
    public bool WasThere => _wasThere;

    /// <summary>Whether the cluster has ever been ready.</summary>
    public bool WasReady => _wasReady;

    /// <summary>Where the dashboard is; null where there is none.</summary>
    public string? Dashboard { get; set; }

    /// <summary>Healthy when the gateway would answer a request now.</summary>
    public HealthCheckResult HealthOfGateway => _reason is { } reason ? HealthCheckResult.Unhealthy(reason) : HealthCheckResult.Healthy();

    /// <summary>A silo is healthy when it has its layers, stands by, or was drained.</summary>
    /// <param name="silo">Its name.</param>
    public HealthCheckResult HealthOf(string silo)
    {
        if (_status is not { } status)
            return HealthCheckResult.Unhealthy("The gateway does not answer.");
        StageStatus? stage = status.Pipelines.SelectMany(pipeline => pipeline.Stages).FirstOrDefault(stage => stage.Silo == silo);
        return stage is not null
            ? stage.State == "ready" ? HealthCheckResult.Healthy(Describe(stage)) : HealthCheckResult.Unhealthy(Describe(stage))
            : status.Standby.Contains(silo) ? HealthCheckResult.Healthy("It stands by.")
            : status.Drained.Contains(silo) ? HealthCheckResult.Healthy("It is drained.")
            : HealthCheckResult.Unhealthy("It has not joined.");
    }

    /// <summary>Watches until cancelled.</summary>
    public async Task WatchAsync(CancellationToken stopping)
    {
        try
        {
            while (true)
            {
                await LookAsync(stopping).ConfigureAwait(false);
                await Task.Delay(_ready ? LookWhenReady : LookWhileLoading, time, stopping).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The cluster stops.
        }
    }

    private async Task LookAsync(CancellationToken stopping)
    {
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            deadline.CancelAfter(Deadline);
            ClusterStatus? status = await client.GetFromJsonAsync<ClusterStatus>("/cluster", deadline.Token).ConfigureAwait(false);
            using HttpResponseMessage health = await client.GetAsync(new Uri("/health", UriKind.Relative), deadline.Token).ConfigureAwait(false);
            _status = status;
            _wasThere = true;
            _reason = health.IsSuccessStatusCode ? null : status?.Reason ?? "It is not ready.";
            if (status is not null)
                Show(status, health.IsSuccessStatusCode);
        }
        catch (HttpRequestException)
        {
            // It does not listen yet, or has died, which the restarter reports.
            Lose("It does not answer.");
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            Lose("It does not answer in time.");
            SayOnce("gateway", $"the gateway does not answer within {Deadline.TotalSeconds:0} s", Tone.Warning);
        }
#pragma warning disable CA1031 // Without this loop nothing would ever be said again: whatever went wrong, it goes on.
        catch (Exception exception) when (!stopping.IsCancellationRequested)
#pragma warning restore CA1031
        {
            SayOnce("gateway", $"the gateway's GET /cluster is not what was expected: {exception.Message}", Tone.Warning);
        }
    }

    private void Lose(string reason)
    {
        _ready = false;
        _status = null;
        _reason = reason;
    }

    private void Show(ClusterStatus status, bool ready)
    {
        foreach (PipelineStatus pipeline in status.Pipelines)
        {
            foreach (StageStatus stage in pipeline.Stages)
                SayOnce(stage.Silo, Describe(stage), stage.State == "lost" ? Tone.Warning : Tone.Plain);
        }

        // Before, none has been given layers yet.
        foreach (string silo in ready ? status.Standby : [])
            SayOnce(silo, $"{silo} stands by");

        if (ready && !_wasReady)
            ShowWhereToGo(status.Model);
        else if (ready && !_ready)
            console.Say("ready again", Tone.Strong);
        else if (!ready && status.Reason is { } reason && (_wasReady || time.GetElapsedTime(_started) > Patience))
            SayOnce("gateway", _wasReady ? $"not ready: {reason}" : reason, _wasReady ? Tone.Warning : Tone.Plain);

        if (ready)
            _said.Remove("gateway");
        _ready = ready;
        _wasReady |= ready;
    }

    private static string Describe(StageStatus stage)
    {
        string silo = $"{stage.Silo} (process {stage.ProcessId})";
        (int first, int last) = (stage.Layers[0], stage.Layers[1] - 1);
        string layers = first == last ? $"layer {first}" : $"layers {first} to {last}";
        return stage.State switch
        {
            "ready" => string.Create(CultureInfo.InvariantCulture, $"{silo} holds {layers}, {stage.WeightBytes / 1048576.0:0.0} MiB"),
            "loading" => $"{silo} loads {layers}",
            _ => $"{silo} with {layers} is {stage.State}",
        };
    }

    private void ShowWhereToGo(string model)
    {
        string address = client.BaseAddress!.ToString().TrimEnd('/');
        // The serializer escapes apostrophes, so the body can stand between two.
        string body = JsonSerializer.Serialize(new
        {
            model,
            messages = (object[])[new { role = "user", content = "Tell me a story." }],
            max_tokens = 60,
        });
        string seconds = time.GetElapsedTime(_started).TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);
        console.Say("");
        console.Say($"{model} is ready after {seconds} s.", Tone.Strong);
        console.Say("");
        console.Say($"  Web page         {address}/");
        console.Say($"  OpenAI base URL  {address}/v1");
        if (Dashboard is not null)
        {
            console.Say($"  Dashboard        {Dashboard}");
            console.Say($"  Orleans' grains  {address}{ClusterResources.OrleansPath}");
        }

        string trust = tls is null ? "" : $"--cacert {Path.Combine(tls, CertificateFolder.Authorities)} ";
        console.Say($"  Try              curl {trust}{address}/v1/chat/completions -H 'Content-Type: application/json' -d '{body}'");
        console.Say("");
        console.Say("Ctrl-C stops everything.", Tone.Dim);
    }

    /// <summary>Says something about a part of the cluster, unless it was the last that was said about it.</summary>
    private void SayOnce(string part, string text, Tone tone = Tone.Plain)
    {
        if (_said.TryGetValue(part, out string? last) && last == text)
            return;
        _said[part] = text;
        console.Say(text, tone);
    }
}
