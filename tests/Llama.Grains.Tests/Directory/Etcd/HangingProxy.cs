using System.Net;
using System.Net.Sockets;

namespace Llama.Grains.Tests.Directory.Etcd;

/// <summary>A way to a server of this machine that can stop carrying anything, its connections left open.</summary>
internal sealed class HangingProxy : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource hanging = new();
    private readonly int port;

    public HangingProxy(int port)
    {
        this.port = port;
        listener.Start();
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>From now on nothing comes through.</summary>
    public void Hang() => hanging.Cancel();

    public void Dispose()
    {
        listener.Dispose();
        hanging.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = CarryAsync(await listener.AcceptTcpClientAsync());
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task CarryAsync(TcpClient client)
    {
        var server = new TcpClient();
        try
        {
            await server.ConnectAsync(IPAddress.Loopback, port, hanging.Token);
            await Task.WhenAny(
                client.GetStream().CopyToAsync(server.GetStream(), hanging.Token),
                server.GetStream().CopyToAsync(client.GetStream(), hanging.Token));
            hanging.Token.ThrowIfCancellationRequested();
            client.Dispose();
            server.Dispose();
        }
        catch (OperationCanceledException)
        {
            // It hangs: the connections stay.
        }
    }
}
