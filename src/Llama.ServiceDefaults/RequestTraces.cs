using System.Diagnostics;
using OpenTelemetry;

namespace Llama.ServiceDefaults;

/// <summary>
/// Only what a request caused is traced. Processes of a cluster ask each other all the time whether they are well, and each of these calls would
/// be a trace of its own.
/// </summary>
internal sealed class RequestTraces : BaseProcessor<Activity>
{
    /// <inheritdoc/>
    public override void OnStart(Activity data)
    {
        if (data.ParentSpanId != default || data.Kind == ActivityKind.Server) return;
        data.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
        data.IsAllDataRequested = false;
    }
}
