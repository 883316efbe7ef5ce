using System.Net;
using System.Net.Sockets;

namespace Llama.Bench.Chaos;

/// <summary>Stands before a silo's port: all links to it go through here, and can be cut or held up.</summary>
internal sealed class ChaosProxy : IAsyncDisposable
{
    private const int BufferBytes = 64 << 10;

    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stopping = new();
    private readonly Lock gate = new();
    private readonly Dictionary<Socket, Task> connections = [];
    private readonly Task accepting;
    private readonly int target;
    private TaskCompletionSource? held;
    private bool cut;

    /// <summary>Starts to listen.</summary>
    /// <param name="target">The silo's port on this machine.</param>
    public ChaosProxy(int target)
    {
        this.target = target;
        listener.Start();
        accepting = AcceptAsync();
    }

    /// <summary>Where it listens.</summary>
    public string Address => listener.LocalEndpoint.ToString()!;

    /// <summary>Cuts all connections, and refuses new ones.</summary>
    public void Cut()
    {
        lock (gate)
        {
            cut = true;
            foreach (Socket client in connections.Keys) client.Dispose();
        }
    }

    /// <summary>Lets nothing through.</summary>
    public void Hold()
    {
        lock (gate) held ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Lets everything through again.</summary>
    public void Mend()
    {
        lock (gate)
        {
            cut = false;
            held?.SetResult();
            held = null;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Cut();
        Mend();
        await stopping.CancelAsync().ConfigureAwait(false);
        await accepting.ConfigureAwait(false);
        listener.Dispose();
        Task[] ending;
        lock (gate) ending = [.. connections.Values];
        await Task.WhenAll(ending).ConfigureAwait(false);
        stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                Socket client = await listener.AcceptSocketAsync(stopping.Token).ConfigureAwait(false);
                lock (gate)
                {
                    if (cut) client.Dispose();
                    else connections.Add(client, Task.Run(() => ServeAsync(client)));
                }
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // The client has gone, or the proxy ends.
            }
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var silo = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            client.NoDelay = silo.NoDelay = true;
            await silo.ConnectAsync(IPAddress.Loopback, target, stopping.Token).ConfigureAwait(false);
            await Task.WhenAll(PassAsync(client, silo), PassAsync(silo, client)).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Nobody listens, or the connection was cut.
        }
        finally
        {
            client.Dispose();
            lock (gate) connections.Remove(client);
        }
    }

    private async Task PassAsync(Socket from, Socket to)
    {
        byte[] buffer = new byte[BufferBytes];
        try
        {
            while (await from.ReceiveAsync(buffer, stopping.Token).ConfigureAwait(false) is var count && count > 0)
            {
                Task? wait;
                lock (gate) wait = held?.Task;
                if (wait is not null) await wait.ConfigureAwait(false);
                for (int sent = 0; sent < count;)
                    sent += await to.SendAsync(buffer.AsMemory(sent, count - sent), stopping.Token).ConfigureAwait(false);
            }

            to.Shutdown(SocketShutdown.Send);
        }
        catch
        {
            // The other direction must not wait for an end that never comes.
            from.Dispose();
            to.Dispose();
            throw;
        }
    }
}
