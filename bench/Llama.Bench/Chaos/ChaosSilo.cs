using Llama.Bench.Processes;
using Llama.Grains.Hosting;

namespace Llama.Bench.Chaos;

/// <summary>A silo's place in the cluster: the port that it keeps, the proxy before it, and its process while it has one.</summary>
internal sealed class ChaosSilo : IAsyncDisposable
{
    private readonly ChildCommand command;
    private readonly ChaosProxy proxy;
    private readonly Func<ChildCommand, ChaosProcess> start;

    /// <summary>Makes a place.</summary>
    /// <param name="command">Starts the silo, but for its addresses.</param>
    /// <param name="start">Starts a process.</param>
    public ChaosSilo(ChildCommand command, Func<ChildCommand, ChaosProcess> start)
    {
        this.start = start;
        int port = FreePort.Choose();
        proxy = new ChaosProxy(port);
        this.command = command with
        {
            Arguments =
            [
                .. command.Arguments.Where(argument => !argument.StartsWith("--listen=", StringComparison.Ordinal)),
                $"--listen=127.0.0.1:{port}",
                $"--advertise={proxy.Address}",
            ],
        };
    }

    /// <summary>Its process, or null.</summary>
    public ChaosProcess? Process { get; private set; }

    /// <summary>Starts its process.</summary>
    public void Start() => Process = start(command);

    /// <summary>Does something to it.</summary>
    public async Task BeginAsync(ChaosAction action)
    {
        switch (action)
        {
            case ChaosAction.Kill:
                await KillAsync().ConfigureAwait(false);
                break;
            case ChaosAction.Hang or ChaosAction.HangAndKill:
                Process!.Send(Signal.Stop);
                break;
            case ChaosAction.Leave:
                await LeaveAsync().ConfigureAwait(false);
                break;
            case ChaosAction.Cut:
                proxy.Cut();
                break;
            case ChaosAction.Hold:
                proxy.Hold();
                break;
            default:
                Start();
                break;
        }
    }

    /// <summary>Undoes it.</summary>
    public async Task EndAsync(ChaosAction action)
    {
        switch (action)
        {
            case ChaosAction.Kill or ChaosAction.Leave:
                Start();
                break;
            case ChaosAction.Hang:
                Process!.Send(Signal.Continue);
                break;
            case ChaosAction.HangAndKill:
                await KillAsync().ConfigureAwait(false);
                Start();
                break;
            case ChaosAction.Cut or ChaosAction.Hold:
                proxy.Mend();
                break;
            default:
                await LeaveAsync().ConfigureAwait(false);
                break;
        }
    }

    /// <summary>Asks its process to end.</summary>
    public async Task LeaveAsync()
    {
        if (Process is not { } process) return;
        Process = null;
        await process.StopAsync().ConfigureAwait(false);
        await process.DisposeAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await KillAsync().ConfigureAwait(false);
        await proxy.DisposeAsync().ConfigureAwait(false);
    }

    private async Task KillAsync()
    {
        if (Process is not { } process) return;
        Process = null;
        await process.DisposeAsync().ConfigureAwait(false);
    }
}
