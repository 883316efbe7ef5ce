using OpenTelemetry;
using OpenTelemetry.Logs;

namespace Llama.ServiceDefaults;

/// <summary>Adds the event id of a log record to its attributes, by which records of one kind are found; the exporter leaves it out.</summary>
internal sealed class EventIds : BaseProcessor<LogRecord>
{
    /// <inheritdoc/>
    public override void OnEnd(LogRecord data) =>
        data.Attributes = [.. data.Attributes ?? [], new KeyValuePair<string, object?>("event.id", data.EventId.Id)];
}
