using System.ComponentModel;
using System.Diagnostics;

namespace Llama.Bench.Processes;

/// <summary>One run of a program, with its output line by line.</summary>
internal sealed class ChildProcess : IDisposable
{
    /// <summary>How long a process may take to end after it was asked to.</summary>
    public static readonly TimeSpan StopGrace = TimeSpan.FromSeconds(1.2);

    /// <summary>How long to wait for the last output of a process that has ended: one that it left behind may keep the pipe open.</summary>
    private static readonly TimeSpan OutputGrace = TimeSpan.FromSeconds(0.5);

    private readonly Process _process;

    private ChildProcess(Process process, Action<string, bool> onLine)
    {
        _process = process;
        Task output = ReadAsync(process.StandardOutput, line => onLine(line, false));
        Task errors = ReadAsync(process.StandardError, line => onLine(line, true));
        Exited = WaitAsync(Task.WhenAll(output, errors));
    }

    /// <summary>The process's id.</summary>
    public int Id => _process.Id;

    /// <summary>Completes when the process has ended and its output was read.</summary>
    public Task<ChildExit> Exited { get; }

    /// <summary>Starts a process.</summary>
    /// <param name="command">What to start.</param>
    /// <param name="onLine">Takes each line, and whether it came from standard error; called from two threads.</param>
    /// <exception cref="Win32Exception">The executable cannot be started.</exception>
    public static ChildProcess Start(ChildCommand command, Action<string, bool> onLine)
        => new(Process.Start(command.ToStartInfo())!, onLine);

    /// <summary>
    /// Ends the process: asks it to by closing its input, which works alike on every system, and kills it if it still runs after
    /// <see cref="StopGrace"/>.
    /// </summary>
    public async Task<ChildExit> StopAsync()
    {
        await CloseInputAsync().ConfigureAwait(false);
        if (await Task.WhenAny(Exited, Task.Delay(StopGrace)).ConfigureAwait(false) != Exited)
            Kill();
        return await Exited.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Kill();
        _process.Dispose();
    }

    private async Task CloseInputAsync()
    {
        try
        {
            await _process.StandardInput.DisposeAsync().ConfigureAwait(false);
        }
        catch (IOException)
        {
            // The process has ended already and its pipe with it.
        }
    }

    private void Kill()
    {
        try
        {
            _process.Kill();
        }
        catch (Exception exception) when (exception is InvalidOperationException or Win32Exception)
        {
            // It ended in the meantime.
        }
    }

    private async Task<ChildExit> WaitAsync(Task output)
    {
        await _process.WaitForExitAsync().ConfigureAwait(false);
        await Task.WhenAny(output, Task.Delay(OutputGrace)).ConfigureAwait(false);
        return new(_process.ExitCode);
    }

    private static async Task ReadAsync(StreamReader reader, Action<string> onLine)
    {
        try
        {
            while (await reader.ReadLineAsync().ConfigureAwait(false) is { } line)
                onLine(line);
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            // The pipe broke or was given up: there is no more to read.
        }
    }
}
