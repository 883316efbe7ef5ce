using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Llama.Grains.Certificates;
using Llama.Grains.Gateway;

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

    private readonly Dictionary<string, string> _said = [];
    private readonly TaskCompletionSource _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly long _started = time.GetTimestamp();
    private bool _ready;
    private volatile bool _wasReady;

    /// <summary>Completes when the gateway answers for the first time.</summary>
    public Task Listening => _listening.Task;

    /// <summary>Whether the cluster has ever been ready.</summary>
    public bool WasReady => _wasReady;

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
            ClusterStatus? status = await client.GetFromJsonAsync<ClusterStatus>("/cluster", stopping).ConfigureAwait(false);
            using HttpResponseMessage health = await client.GetAsync(new Uri("/health", UriKind.Relative), stopping).ConfigureAwait(false);
            _listening.TrySetResult();
            if (status is not null)
                Show(status, health.IsSuccessStatusCode);
        }
        catch (HttpRequestException)
        {
            // It does not listen yet, or has died, which its supervisor reports.
            _ready = false;
        }
        catch (TaskCanceledException) when (!stopping.IsCancellationRequested)
        {
            _ready = false;
            SayOnce("gateway", $"the gateway does not answer within {client.Timeout.TotalSeconds:0} s", Tone.Warning);
        }
#pragma warning disable CA1031 // Without this loop nothing would ever be said again: whatever went wrong, it goes on.
        catch (Exception exception) when (!stopping.IsCancellationRequested)
#pragma warning restore CA1031
        {
            SayOnce("gateway", $"the gateway's GET /cluster is not what was expected: {exception.Message}", Tone.Warning);
        }
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
        else if (!ready && status.Reason is { } reason)
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
        string body = JsonSerializer.Serialize(new { model, prompt = "Once upon a time", max_tokens = 60 });
        string seconds = time.GetElapsedTime(_started).TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);
        console.Say("");
        console.Say($"{model} is ready after {seconds} s.", Tone.Strong);
        console.Say("");
        console.Say($"  Web page         {address}/");
        console.Say($"  OpenAI base URL  {address}/v1");
        string trust = tls is null ? "" : $"--cacert {Path.Combine(tls, CertificateFolder.Authorities)} ";
        console.Say($"  Try              curl {trust}{address}/v1/completions -H 'Content-Type: application/json' -d '{body}'");
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
