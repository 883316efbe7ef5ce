using System.Diagnostics;
using Llama.Bench.Processes;

namespace Llama.Cluster.Tests.Processes;

/// <summary>A process that belongs to a test: what it says is kept, and it is killed at the end.</summary>
internal sealed class RunningProgram : IDisposable
{
    private readonly List<string> lines = [];
    private readonly string name;
    private readonly ChildProcess process;

    /// <summary>Starts a program as AppHost does.</summary>
    public RunningProgram(ChildCommand command)
    {
        name = command.Name;
        process = ChildProcess.Start(command, Take);
    }

    /// <summary>Its process id.</summary>
    public int Id => process.Id;

    /// <summary>What it has said so far, its name before each line.</summary>
    public string Output
    {
        get
        {
            lock (lines) return string.Concat(lines.Select(line => $"{name} | {line}\n"));
        }
    }

    /// <summary>Waits until some line contains a text.</summary>
    public Task<TimeSpan> SaysAsync(string text, TimeSpan deadline) =>
        Wait.UntilAsync($"{name} says '{text}'", deadline, () => Output.Contains(text, StringComparison.Ordinal), () => Output);

    /// <summary>Waits until it has ended.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> ExitsAsync(TimeSpan deadline)
    {
        await Wait.UntilAsync($"{name} exits", deadline, () => process.Exited.IsCompleted, () => Output);
        return (await process.Exited).Code;
    }

    /// <summary>Kills it and what it has started, without a warning (SIGKILL).</summary>
    public void Dispose()
    {
        IReadOnlyList<int> descendants = ProcessTable.IsThere ? ProcessTable.DescendantsOf(Id) : [];
        process.Dispose();
        foreach (int id in descendants.Where(ProcessTable.IsAlive)) Kill(id);
    }

    private static void Kill(int id)
    {
        try
        {
            using var one = Process.GetProcessById(id);
            one.Kill();
        }
        catch (ArgumentException)
        {
            // It ended in the meantime.
        }
    }

    private void Take(string line, bool isError)
    {
        lock (lines) lines.Add(line);
    }
}
