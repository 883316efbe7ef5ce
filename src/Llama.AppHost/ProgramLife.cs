using System.Globalization;

namespace Llama.AppHost;

/// <summary>How a process ended that nobody had stopped.</summary>
/// <param name="Ran">How long it ran.</param>
/// <param name="ExitCode">Its exit code; null or negative where a signal ended it.</param>
/// <param name="Delay">How long to wait before it is started again.</param>
internal sealed record ProgramEnd(TimeSpan Ran, int? ExitCode, TimeSpan Delay);

/// <summary>One program of the cluster, over all of its starts: its state, and the last lines that it said.</summary>
/// <param name="name">The resource's name.</param>
/// <param name="console">Where warnings go, and at a process's end its last lines.</param>
/// <param name="time">Measures how long it ran.</param>
internal sealed class ProgramLife(string name, AppHostConsole console, TimeProvider time)
{
    private const int KeptLines = 20;

    /// <summary>Begins a line of the orchestrator, which is said when it starts the process; what comes before is Aspire's, too.</summary>
    private const string OfTheOrchestrator = "[sys] ";

    private static readonly string[] Warnings = ["warn:", "fail:", "crit:"];
    private static readonly string[] JsonWarnings =
        [.. from level in (string[])["Warning", "Error", "Critical"] select $"\"LogLevel\":\"{level}\""];

    private readonly RestartBackoff _backoff = new();
    private readonly Queue<string> _unseen = new();
    private string? _state;
    private long _since;

    /// <summary>The resource's name.</summary>
    public string Name => name;

    /// <summary>Whether it runs.</summary>
    public bool Runs => _state == KnownResourceStates.Running;

    /// <summary>Whether it has ended, and was not started again yet.</summary>
    public bool HasEnded => KnownResourceStates.TerminalStates.Contains(_state);

    /// <summary>The id of its process, once it has one.</summary>
    public int? ProcessId { get; private set; }

    /// <summary>Takes a state of the resource.</summary>
    /// <param name="state">The state.</param>
    /// <param name="exitCode">The exit code of a process that has ended.</param>
    /// <param name="processId">The id of its process.</param>
    /// <returns>The end of the process, if this is one that nobody asked for.</returns>
    public ProgramEnd? Take(string? state, int? exitCode, int? processId)
    {
        string? before = _state;
        ProcessId = processId ?? ProcessId;
        if (state == before)
            return null;
        _state = state;
        if (state == KnownResourceStates.Running)
        {
            _since = time.GetTimestamp();
            console.Say($"{name} starts (process {ProcessId})");
            return null;
        }

        // A stop that was asked for passes through the state Stopping.
        if ((before != KnownResourceStates.Running && before != KnownResourceStates.Starting) || !KnownResourceStates.TerminalStates.Contains(state))
            return null;
        TimeSpan ran = before == KnownResourceStates.Running ? time.GetElapsedTime(_since) : TimeSpan.Zero;
        return new ProgramEnd(ran, exitCode, _backoff.Next(ran));
    }

    /// <summary>Reads what it says: warnings and errors are shown at once, the rest is kept for its end.</summary>
    /// <param name="batches">Its lines.</param>
    /// <param name="showsErrors">Whether errors are shown at once; else they are kept, too.</param>
    /// <param name="stopping">Ends it.</param>
    public async Task FollowAsync(IAsyncEnumerable<IReadOnlyList<LogLine>> batches, Func<bool> showsErrors, CancellationToken stopping)
    {
        await foreach (IReadOnlyList<LogLine> batch in batches.WithCancellation(stopping).ConfigureAwait(false))
        {
            foreach (LogLine line in batch)
            {
                string text = WithoutTime(line.Content);
                if (text.StartsWith(OfTheOrchestrator, StringComparison.Ordinal))
                    Forget();
                else
                    TakeLine(text, line.IsErrorMessage, showsErrors());
            }
        }
    }

    /// <summary>Says how it ended, with its last lines.</summary>
    public void Report(ProgramEnd end)
    {
        string[] lines;
        lock (_unseen)
        {
            lines = [.. _unseen];
            _unseen.Clear();
        }

        string how = end.ExitCode is { } code and >= 0 ? $"exit code {code}" : "a signal ended it";
        string seconds = end.Ran.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);
        console.Say($"{name} died after {seconds} s: {how}.{(lines.Length > 0 ? " Its last lines:" : "")}", Tone.Warning);
        foreach (string line in lines)
            console.SayFor(name, line);
    }

    private void Forget()
    {
        lock (_unseen)
            _unseen.Clear();
    }

    private void TakeLine(string line, bool isError, bool showsErrors)
    {
        bool shown = console.Verbose || (showsErrors && (isError || IsWarning(line)));
        if (shown)
            console.SayFor(name, line, isError ? Tone.Warning : Tone.Plain);
        lock (_unseen)
        {
            if (!shown)
                _unseen.Enqueue(line);
            if (_unseen.Count > KeptLines)
                _unseen.Dequeue();
        }
    }

    /// <summary>Aspire puts the time before each line (ISO 8601, a space behind it).</summary>
    private static string WithoutTime(string line)
    {
        int space = line.IndexOf(' ', StringComparison.Ordinal);
        return space > 0 && DateTime.TryParse(line.AsSpan(0, space), CultureInfo.InvariantCulture, out _) ? line[(space + 1)..] : line;
    }

    /// <summary>Whether a line is one of .NET's console loggers, and tells of a warning or worse. In a value JSON has no bare quote.</summary>
    private static bool IsWarning(string line)
        => Warnings.Any(level => line.StartsWith(level, StringComparison.Ordinal))
            || (line.StartsWith('{') && JsonWarnings.Any(level => line.Contains(level, StringComparison.Ordinal)));
}
