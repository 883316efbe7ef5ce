using System.ComponentModel;
using Llama.Bench.Processes;
using Llama.Grains.Hosting;

namespace Llama.Bench.Chaos;

/// <summary>An etcd of the run's own, which keeps its data while it is away, or loses them.</summary>
internal sealed class ChaosEtcd : IAsyncDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("llama-chaos-").FullName;
    private readonly Func<ChaosProcess> start;
    private ChaosProcess? process;

    /// <summary>Starts it. Its users wait until it answers.</summary>
    /// <param name="say">Takes each line that it writes.</param>
    /// <param name="fault">Takes what it did wrong.</param>
    /// <exception cref="InvalidDataException">There is no program <c>etcd</c>.</exception>
    public ChaosEtcd(Action<string> say, Action<string> fault)
    {
        int port = FreePort.Choose();
        string clients = $"http://127.0.0.1:{port}";
        string peers = $"http://127.0.0.1:{FreePort.Choose()}";
        Cluster = $"etcd://127.0.0.1:{port}/chaos";
        var command = new ChildCommand(
            "etcd", "etcd",
            [
                $"--data-dir={Data}", $"--listen-client-urls={clients}", $"--advertise-client-urls={clients}",
                $"--listen-peer-urls={peers}", $"--initial-advertise-peer-urls={peers}", $"--initial-cluster=default={peers}",
            ]);
        start = () => new ChaosProcess(command, say, fault);
        try
        {
            process = start();
        }
        catch (Win32Exception e)
        {
            Directory.Delete(folder);
            throw new InvalidDataException($"--etcd-kills needs the program etcd (Debian: etcd-server): {e.Message}", e);
        }
    }

    /// <summary>The address of the cluster.</summary>
    public string Cluster { get; }

    private string Data => Path.Combine(folder, "data");

    /// <summary>Does something to it.</summary>
    public Task BeginAsync(ChaosAction action)
    {
        if (action != ChaosAction.HangEtcd) return KillAsync();
        process!.Send(Signal.Stop);
        return Task.CompletedTask;
    }

    /// <summary>Undoes it.</summary>
    public void End(ChaosAction action)
    {
        if (action == ChaosAction.HangEtcd)
        {
            process!.Send(Signal.Continue);
            return;
        }

        if (action == ChaosAction.EmptyEtcd) Directory.Delete(Data, recursive: true);
        process = start();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await KillAsync().ConfigureAwait(false);
        Directory.Delete(folder, recursive: true);
    }

    private async Task KillAsync()
    {
        if (process is not { } running) return;
        process = null;
        await running.DisposeAsync().ConfigureAwait(false);
    }
}
