using System.Globalization;

namespace Llama.AppHost;

/// <summary>Keeps one process running: starts it, shows what it says, reports its death, starts it again.</summary>
/// <param name="command">What to run.</param>
/// <param name="console">Where to report.</param>
/// <param name="time">Measures how long it ran and waits between starts.</param>
internal sealed class ChildSupervisor(ChildCommand command, AppHostConsole console, TimeProvider time)
{
    private const int KeptLines = 20;

    /// <summary>What a shell returns for a command that it cannot start.</summary>
    private const int CannotStart = 127;

    /// <summary>A Ctrl-C in a terminal reaches the processes, too: a death that a stop follows so soon is not reported.</summary>
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(0.1);

    private readonly RestartBackoff _backoff = new();
    private readonly Queue<string> _unseen = new();

    /// <summary>Runs the process until <paramref name="stopping"/>, then ends it.</summary>
    /// <param name="mayRestart">Asked after each death.</param>
    /// <param name="stopping">Cancelled when the cluster stops.</param>
    /// <returns>The exit that <paramref name="mayRestart"/> refused to follow with another start; null after a stop.</returns>
    public async Task<ChildExit?> RunAsync(Func<bool> mayRestart, CancellationToken stopping)
    {
        try
        {
            while (true)
            {
                long started = time.GetTimestamp();
                ChildExit exit = await RunOnceAsync(stopping).ConfigureAwait(false);
                TimeSpan ran = time.GetElapsedTime(started);
                await Task.Delay(Settle, stopping).ConfigureAwait(false);

                Report(exit, ran);
                if (!mayRestart())
                    return exit;
                TimeSpan delay = _backoff.Next(ran);
                console.Say($"{command.Name} starts again in {delay.TotalSeconds:0} s.");
                await Task.Delay(delay, time, stopping).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return null;
        }
    }

    private async Task<ChildExit> RunOnceAsync(CancellationToken stopping)
    {
        stopping.ThrowIfCancellationRequested();
        ChildProcess child;
        try
        {
            child = ChildProcess.Start(command, (line, isError) => TakeLine(line, isError, stopping));
        }
#pragma warning disable CA1031 // A failure is a value: whatever the system refuses, it is tried again.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            TakeLine($"{command.FileName} cannot be started: {exception.Message}", isError: true, stopping);
            return new(CannotStart);
        }

        using (child)
        {
            try
            {
                return await child.Exited.WaitAsync(stopping).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                await child.StopAsync().ConfigureAwait(false);
                throw;
            }
        }
    }

    private void TakeLine(string line, bool isError, CancellationToken stopping)
    {
        // While everything stops, each process complains about the others that went first.
        bool shown = console.Verbose || (!stopping.IsCancellationRequested && (isError || IsWarning(line)));
        if (shown)
            console.SayFor(command.Name, line, isError ? Tone.Warning : Tone.Plain);
        lock (_unseen)
        {
            if (!shown)
                _unseen.Enqueue(line);
            if (_unseen.Count > KeptLines)
                _unseen.Dequeue();
        }
    }

    /// <summary>Whether a line begins as the console logger of .NET begins a warning or worse.</summary>
    private static bool IsWarning(string line)
        => line.StartsWith("warn:", StringComparison.Ordinal)
            || line.StartsWith("fail:", StringComparison.Ordinal)
            || line.StartsWith("crit:", StringComparison.Ordinal);

    private void Report(ChildExit exit, TimeSpan ran)
    {
        string[] lines;
        lock (_unseen)
        {
            lines = [.. _unseen];
            _unseen.Clear();
        }

        string seconds = ran.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);
        console.Say($"{command.Name} died after {seconds} s: {exit}.{(lines.Length > 0 ? " Its last lines:" : "")}", Tone.Warning);
        foreach (string line in lines)
            console.SayFor(command.Name, line);
    }
}
