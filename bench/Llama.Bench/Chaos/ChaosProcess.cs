using Llama.Bench.Processes;

namespace Llama.Bench.Chaos;

/// <summary>A process of the cluster, which must not end unless it is told to, nor log an error.</summary>
internal sealed class ChaosProcess : IAsyncDisposable
{
    private static readonly string[] Errors = ["fail: ", "crit: ", "Unhandled exception"];

    private readonly ChildProcess process;
    private volatile bool mayEnd;
    private volatile string lastLine = string.Empty;

    /// <summary>Starts it.</summary>
    /// <param name="command">What to start.</param>
    /// <param name="say">Takes each line that it writes.</param>
    /// <param name="fault">Takes what it did wrong.</param>
    public ChaosProcess(ChildCommand command, Action<string> say, Action<string> fault)
    {
        Name = command.Name;
        process = ChildProcess.Start(command, (line, _) =>
        {
            lastLine = line;
            say($"{command.Name} | {line}");
            if (Errors.Any(error => line.StartsWith(error, StringComparison.Ordinal))) fault($"{command.Name}: {line}");
        });
        Ended = EndAsync(fault);
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>Its process id.</summary>
    public int Id => process.Id;

    /// <summary>Completes when it has ended.</summary>
    public Task Ended { get; }

    /// <summary>Sends a signal.</summary>
    public void Send(Signal signal) => Signals.Send(Id, signal);

    /// <summary>Asks it to end, and waits until it has.</summary>
    public async Task StopAsync()
    {
        mayEnd = true;
        await process.StopAsync().ConfigureAwait(false);
    }

    /// <summary>Kills it, also one that stands still.</summary>
    public async ValueTask DisposeAsync()
    {
        mayEnd = true;
        if (!Ended.IsCompleted) Signals.Send(Id, Signal.Kill);
        await Ended.ConfigureAwait(false);
        process.Dispose();
    }

    private async Task EndAsync(Action<string> fault)
    {
        ChildExit exit = await process.Exited.ConfigureAwait(false);
        if (!mayEnd) fault($"{Name} ended by itself with {exit}; its last line: {lastLine}");
    }
}
