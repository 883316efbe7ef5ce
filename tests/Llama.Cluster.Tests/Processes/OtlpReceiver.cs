using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Llama.Cluster.Tests.Processes;

/// <summary>
/// Takes what processes send by OTLP (HTTP, protobuf), and keeps what tests look at. Numbers of fields are those of opentelemetry-proto 1.
/// </summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication app;

    private OtlpReceiver(WebApplication app) => this.app = app;

    public ConcurrentQueue<OtlpSpan> Spans { get; } = new();

    /// <summary>Names of metrics, and the service that sent them.</summary>
    public ConcurrentDictionary<(string Service, string Metric), bool> Metrics { get; } = new();

    public ConcurrentQueue<OtlpLog> Logs { get; } = new();

    /// <summary>The standard variables for a process that sends here, a few times a second.</summary>
    public IEnumerable<string> Variables =>
    [
        $"OTEL_EXPORTER_OTLP_ENDPOINT={app.Urls.First()}", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_BSP_SCHEDULE_DELAY=200",
        "OTEL_BLRP_SCHEDULE_DELAY=200", "OTEL_METRIC_EXPORT_INTERVAL=300",
    ];

    public static async Task<OtlpReceiver> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        WebApplication app = builder.Build();
        var receiver = new OtlpReceiver(app);
        receiver.Map("/v1/traces", receiver.TakeSpans);
        receiver.Map("/v1/metrics", receiver.TakeMetrics);
        receiver.Map("/v1/logs", receiver.TakeLogs);
        await app.StartAsync();
        return receiver;
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private void Map(string path, Action<string, ProtoMessage> take) => app.MapPost(path, async (HttpContext context) =>
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        foreach (ProtoMessage ofResource in new ProtoMessage(body.ToArray()).Messages(1))
        {
            string service = ofResource.Messages(1).SelectMany(resource => resource.Attributes(1)).First(tag => tag.Key == "service.instance.id").Value;
            foreach (ProtoMessage ofScope in ofResource.Messages(2)) take(service, ofScope);
        }
    });

    private void TakeSpans(string service, ProtoMessage scope)
    {
        foreach (ProtoMessage span in scope.Messages(2))
        {
            Spans.Enqueue(new OtlpSpan(
                service, Hex(span, 1), Hex(span, 2), Hex(span, 4), span.Text(5), span.Attributes(9), [.. span.Messages(13).Select(link => Hex(link, 1))]));
        }
    }

    private void TakeMetrics(string service, ProtoMessage scope)
    {
        foreach (ProtoMessage metric in scope.Messages(2)) Metrics[(service, metric.Text(1))] = true;
    }

    private void TakeLogs(string service, ProtoMessage scope)
    {
        foreach (ProtoMessage log in scope.Messages(2))
            Logs.Enqueue(new OtlpLog(service, log.Messages(5).Single().Text(1), log.Attributes(6), Hex(log, 9)));
    }

    private static string Hex(ProtoMessage message, int field) => Convert.ToHexStringLower(message.Bytes(field).Span);
}

/// <summary>A span.</summary>
internal sealed record OtlpSpan(
    string Service, string Trace, string Id, string Parent, string Name, IReadOnlyDictionary<string, string> Tags, IReadOnlyList<string> LinkedTraces);

/// <summary>A record of a log.</summary>
internal sealed record OtlpLog(string Service, string Text, IReadOnlyDictionary<string, string> Tags, string Trace);

/// <summary>A protobuf message, field by field (protobuf.dev, Encoding).</summary>
internal sealed class ProtoMessage(ReadOnlyMemory<byte> bytes)
{
    /// <summary>The contents of each field of a number; numbers little-endian, in 8 bytes.</summary>
    private IEnumerable<ReadOnlyMemory<byte>> All(int field)
    {
        for (int at = 0; at < bytes.Length;)
        {
            ulong key = Number(ref at);
            int length = 8;
            ReadOnlyMemory<byte>? number = null;
            switch (key & 7)
            {
                case 0: number = BitConverter.GetBytes(Number(ref at)); break;
                case 2: length = (int)Number(ref at); break;
                case 5: length = 4; break;
                default: break;
            }

            if (number is null) at += length;
            if ((int)(key >> 3) == field) yield return number ?? bytes.Slice(at - length, length);
        }
    }

    public IEnumerable<ProtoMessage> Messages(int field) => All(field).Select(content => new ProtoMessage(content));

    public ReadOnlyMemory<byte> Bytes(int field) => All(field).FirstOrDefault();

    public string Text(int field) => Encoding.UTF8.GetString(Bytes(field).Span);

    /// <summary>Attributes as text; those of other types than text and integer are empty.</summary>
    public IReadOnlyDictionary<string, string> Attributes(int field) => Messages(field).ToDictionary(
        pair => pair.Text(1),
        pair => pair.Messages(2).Select(value => value.Bytes(3) is { Length: 8 } number ? $"{BitConverter.ToInt64(number.Span)}" : value.Text(1)).First());

    private ulong Number(ref int at)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte next = bytes.Span[at++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return value;
        }
    }
}
