using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>What real processes tell of themselves: by OTLP, and to Prometheus.</summary>
[Collection(TimedTests.Name)]
public sealed partial class TelemetryTests
{
    private const string Promtool = "/usr/bin/promtool";
    private const string Trace = "0af7651916cd43dd8448eb211c80319c";
    private const string Client = "b7ad6b7169203331";
    private static readonly string[] Phases = ["queue", "prefill", "decode"];
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Cluster_WithAReceiver_OneTraceOverItsProcessesAndTheNumbersOfTheStatus()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Variables are set by env.");
        await using OtlpReceiver receiver = await OtlpReceiver.StartAsync();
        using var cluster = new TestCluster(TestPaths.TinyStories, 2)
        {
            Around = command => command with
            {
                FileName = "/usr/bin/env",
                Arguments = [.. receiver.Variables, command.FileName, .. command.Arguments],
            },
        };
        cluster.StartGateway("--log-format=json", "--name=gateway-1");
        cluster.StartSilo(1);
        cluster.StartSilo(2);
        await cluster.ReadyAsync();
        using (var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions"))
        {
            request.Headers.Add("traceparent", $"00-{Trace}-{Client}-01");
            request.Content = JsonContent.Create(new TokenRequest { Prompt = [1, 2, 3], MaxTokens = 50 });
            using HttpResponseMessage response = await cluster.Client.Http.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(200, (int)response.StatusCode);
        }

        await Wait.UntilAsync(
            "both stages have told of their decode", Deadline, () => Spans("stage decode").Count() == 2, () => string.Join('\n', receiver.Spans));
        await Wait.UntilAsync("the metrics have come", Deadline, () => receiver.Metrics.ContainsKey(("silo-1", "llama.link.io")), () => "");

        OtlpSpan http = Assert.Single(Spans("POST /v1/completions"));
        Assert.Equal((Client, "50", "text_completion"), (http.Parent, http.Tags["gen_ai.usage.output_tokens"], http.Tags["gen_ai.operation.name"]));
        Assert.All(Phases, name => Assert.Equal((http.Id, "gateway-1"), (Spans(name).Single().Parent, Spans(name).Single().Service)));
        Assert.All(Spans("stage prefill"), span => Assert.Equal(Spans("prefill").Single().Id, span.Parent));
        Assert.All(Spans("stage decode"), span => Assert.Equal(Spans("decode").Single().Id, span.Parent));
        Assert.Equal(["silo-1", "silo-2"], Spans("stage decode").Select(span => span.Service).Order());
        Assert.All(receiver.Spans, span => Assert.Equal(Trace, span.Trace));

        OtlpLog log = Assert.Single(receiver.Logs, log => log.Tags.GetValueOrDefault("event.id") == "20");
        Assert.Equal((Trace, "50", "gateway-1"), (log.Trace, log.Tags["Tokens"], log.Service));
        string line = cluster.Gateway.Output.Split('\n').Single(one => one.Contains("\"EventId\":20,", StringComparison.Ordinal));
        JsonElement said = JsonElement.Parse(line[line.IndexOf('{', StringComparison.Ordinal)..]);
        Assert.Equal(log.Text, said.GetProperty("Message").GetString());
        Assert.Equal(50, said.GetProperty("State").GetProperty("Tokens").GetInt32());

        Assert.Contains(("gateway-1", "llama.generated.tokens"), receiver.Metrics.Keys);
        Assert.Contains(receiver.Metrics.Keys, key => key.Service == "silo-1" && key.Metric.StartsWith("orleans-", StringComparison.Ordinal));
        await SameNumbersAsync(cluster.Client);

        IEnumerable<OtlpSpan> Spans(string name) => receiver.Spans.Where(span => span.Name == name);
    }

    /// <summary>After two quiet seconds.</summary>
    private static async Task SameNumbersAsync(GatewayClient client)
    {
        await Task.Delay(TimeSpan.FromSeconds(2), TestContext.Current.CancellationToken);
        string text = await client.Http.GetStringAsync(new Uri("/metrics", UriKind.Relative), TestContext.Current.CancellationToken);
        ClusterStatus status = await client.StatusAsync();
        PipelineStatus pipeline = Assert.Single(status.Pipelines);

        Assert.Equal(status.Epoch, Value("llama_epoch"));
        Assert.Equal(status.Ready ? 1 : 0, Value("llama_ready"));
        Assert.Equal(pipeline.Running, Value("llama_sequences_running"));
        Assert.Equal(pipeline.Waiting, Value("llama_sequences_waiting"));
        Assert.Equal(pipeline.SampledTokens, Value("llama_generated_tokens_total"));
        Assert.Equal(pipeline.FreeBlocks, Value("llama_kv_blocks", "cached") + Value("llama_kv_blocks", "empty"));
        Assert.Equal(pipeline.Blocks - pipeline.FreeBlocks, Value("llama_kv_blocks", "used"));
        Assert.Equal(pipeline.Stages.Count, Value("llama_silos", "stage"));
        Assert.Equal(status.Standby.Count, Value("llama_silos", "standby"));
        Assert.Equal(2, text.Split('\n').Count(line => line.StartsWith("llama_stage_busy_time_seconds_total{", StringComparison.Ordinal)));
        await PromtoolAsync(string.Concat(text.Split('\n').Where(IsOurs).Select(line => $"{line}\n")), "check", "metrics");

        // What the dashboard, the rules and the documentation name is there; a recovery has not been.
        string[] recorded = [.. Recorded().Matches(Read("deploy/prometheus/llama.rules.yaml")).Select(match => match.Value)];
        foreach (string file in (string[])["deploy/grafana/llama.json", "deploy/prometheus/llama.rules.yaml", "docs/operations.md"])
        {
            foreach (Match metric in Metric().Matches(Read(file)))
            {
                if (metric.Value.StartsWith("llama_recovery", StringComparison.Ordinal)) continue;
                if (metric.Value.StartsWith("llama:", StringComparison.Ordinal)) Assert.Contains(metric.Value, recorded);
                else Assert.True(text.Contains($"\n{metric.Value}", StringComparison.Ordinal), $"{metric.Value} of {file} is not there.");
            }
        }

        double Value(string name, string? state = null) => double.Parse(
            Assert.Single(Sample().Matches(text), sample =>
                sample.Groups["name"].Value == name
                && (state is null || sample.Groups["labels"].Value.Contains($"llama_state=\"{state}\"", StringComparison.Ordinal)))
                .Groups["value"].Value,
            CultureInfo.InvariantCulture);
    }

    [Fact]
    public Task Rules_AreThoseThatPrometheusTakes()
    {
        Assert.SkipUnless(File.Exists(Promtool), $"{Promtool} is not there.");
        return PromtoolAsync("", "check", "rules", Path.Combine(TestPaths.Root, "deploy/prometheus/llama.rules.yaml"));
    }

    private static string Read(string file) => File.ReadAllText(Path.Combine(TestPaths.Root, file));

    /// <summary>Orleans and the runtime name theirs in ways that the checker warns of.</summary>
    private static bool IsOurs(string line) => line.Length > 0 && OurNames().IsMatch(line);

    /// <summary>Runs Prometheus' own checker, where it is installed.</summary>
    private static async Task PromtoolAsync(string input, params string[] arguments)
    {
        if (!File.Exists(Promtool)) return;
        using var promtool = Process.Start(new ProcessStartInfo(Promtool, arguments)
        {
            RedirectStandardInput = true, RedirectStandardError = true, RedirectStandardOutput = true, StandardInputEncoding = new UTF8Encoding(false),
        })!;
        await promtool.StandardInput.WriteAsync(input);
        promtool.StandardInput.Close();
        string said = await promtool.StandardError.ReadToEndAsync() + await promtool.StandardOutput.ReadToEndAsync();
        await promtool.WaitForExitAsync();
        Assert.True(promtool.ExitCode == 0, said);
    }

    [GeneratedRegex(@"^(# \w+ )?(llama|gen_ai)_")]
    private static partial Regex OurNames();

    /// <summary>A metric with what its kind adds, or one that a rule records; labels have no such endings.</summary>
    [GeneratedRegex(@"\b((llama|gen_ai|orleans|dotnet)_[a-z0-9_]+_(total|seconds|bytes|bucket|count)|llama_(epoch|ready|silos|kv_blocks|sequences_\w+)|llama:[a-z_0-9:]+)\b")]
    private static partial Regex Metric();

    [GeneratedRegex(@"(?<=record: )\S+")]
    private static partial Regex Recorded();

    [GeneratedRegex(@"^(?<name>[a-z_]+)\{(?<labels>[^}]*)\} (?<value>\S+)", RegexOptions.Multiline)]
    private static partial Regex Sample();
}
