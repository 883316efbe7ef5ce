using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Tests;

/// <summary>Keeps what is logged.</summary>
internal sealed class RecordingLogger : ILogger
{
    private readonly ConcurrentQueue<(string? Event, string Message, IReadOnlyDictionary<string, object?> Values)> entries = new();

    public IReadOnlyCollection<string> Messages => [.. entries.Select(entry => entry.Message)];

    /// <summary>The values of every event of a name, in order.</summary>
    public IReadOnlyList<IReadOnlyDictionary<string, object?>> Events(string name) =>
        [.. entries.Where(entry => entry.Event == name).Select(entry => entry.Values)];

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        Dictionary<string, object?> values = new(state as IEnumerable<KeyValuePair<string, object?>> ?? []);
        entries.Enqueue((eventId.Name, $"{logLevel}: {formatter(state, exception)} {exception}", values));
    }
}
