using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Llama.Gateway.Tests.Hosting;

/// <summary>Keeps what was logged.</summary>
internal sealed class RecordingLogger : ILoggerProvider, ILogger
{
    public ConcurrentQueue<(string Message, Exception? Exception)> Errors { get; } = new();

    /// <summary>All messages, errors too.</summary>
    public ConcurrentQueue<string> Lines { get; } = new();

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        Lines.Enqueue(formatter(state, exception));
        if (logLevel >= LogLevel.Error) Errors.Enqueue((formatter(state, exception), exception));
    }

    public void Dispose()
    {
    }
}
