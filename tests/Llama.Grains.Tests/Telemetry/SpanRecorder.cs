using System.Collections.Concurrent;
using System.Diagnostics;
using Llama.Grains.Telemetry;

namespace Llama.Grains.Tests.Telemetry;

/// <summary>Listens to the spans of one trace; other tests' spans are not seen.</summary>
internal sealed class SpanRecorder : IDisposable
{
    private readonly ConcurrentQueue<Activity> ended = new();
    private readonly ActivityListener listener;

    public SpanRecorder()
    {
        listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == Instruments.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> options) =>
                options.Parent.TraceId == Request.TraceId ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None,
            ActivityStopped = ended.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
    }

    /// <summary>The span that the request comes with.</summary>
    public ActivityContext Request { get; } =
        new(ActivityTraceId.CreateRandom(), ActivitySpanId.CreateRandom(), ActivityTraceFlags.Recorded);

    public string TraceParent => $"00-{Request.TraceId}-{Request.SpanId}-01";

    public IReadOnlyList<Activity> Ended => [.. ended];

    public IEnumerable<Activity> Named(string name) => Ended.Where(span => span.OperationName == name);

    public void Dispose() => listener.Dispose();
}
