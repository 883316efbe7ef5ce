using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Llama.Grains.Links;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Hosting;

/// <summary>
/// A port of this process for Orleans' connections. The process holds it from start to end; the incarnations listen on it one after the
/// other, and get only connections that have proved the cluster key. Between two of them a connection is closed at once.
/// </summary>
internal sealed partial class ClusterPort : IAsyncDisposable
{
    /// <summary>Connections that may be in the handshake at once.</summary>
    internal const int MaxHandshakes = 256;

    /// <summary>Connections of one address that may be in the handshake at once, so that one stranger cannot lock out the others.</summary>
    internal const int MaxHandshakesPerAddress = 64;

    private const int MaxWaiting = 256;
    private static readonly TimeSpan PauseAfterFault = TimeSpan.FromMilliseconds(100);

    private readonly Socket socket;
    private readonly PeerPurpose purpose;
    private readonly PeerSecurity security;
    private readonly RefusalLog refusals;
    private readonly ILogger logger;
    private readonly CancellationTokenSource stopping = new();
    private readonly SemaphoreSlim places = new(MaxHandshakes);
    private readonly Dictionary<IPAddress, int> handshakes = [];
    private readonly Task accepting;
    private volatile Listener? present;
    private int disposed;

    private ClusterPort(Socket socket, PeerPurpose purpose, PeerSecurity security, RefusalLog refusals, ILogger logger)
    {
        this.socket = socket;
        this.purpose = purpose;
        this.security = security;
        this.refusals = refusals;
        this.logger = logger;
        EndPoint = (IPEndPoint)socket.LocalEndPoint!;
        accepting = AcceptAsync();
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>Starts listening.</summary>
    /// <param name="endPoint">Address and port; port 0 for any free one.</param>
    /// <param name="purpose">What the port is for.</param>
    /// <param name="security">TLS and key.</param>
    /// <param name="refusals">Told of connections that are refused.</param>
    /// <param name="logger">Told of faults.</param>
    /// <exception cref="IOException">The address cannot be bound, or can be reached from other machines and there is no key.</exception>
    public static ClusterPort Open(
        IPEndPoint endPoint, PeerPurpose purpose, PeerSecurity security, RefusalLog refusals, ILogger logger)
    {
        if (security.Key.IsEmpty && !IPAddress.IsLoopback(endPoint.Address))
            throw new IOException($"Cannot listen on {endPoint}: it can be reached from other machines, which needs a cluster key");
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(endPoint);
            socket.Listen(MaxHandshakes);
            return new ClusterPort(socket, purpose, security, refusals, logger);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException($"Cannot listen on {endPoint}: {e.Message}", e);
        }
    }

    /// <summary>Gives the port to an incarnation, until that unbinds it or the next one gets it.</summary>
    public IConnectionListener Attach()
    {
        var listener = new Listener(this);
        Interlocked.Exchange(ref present, listener)?.Close();
        return listener;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 1) return;
        await stopping.CancelAsync().ConfigureAwait(false);
        socket.Dispose();
        present?.Close();
        await accepting.ConfigureAwait(false);

        // Every handshake holds a place until it has ended.
        for (int i = 0; i < MaxHandshakes; i++) await places.WaitAsync().ConfigureAwait(false);
        places.Dispose();
        stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                Admit(await socket.AcceptAsync(stopping.Token).ConfigureAwait(false));
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // Out of sockets, perhaps: that lasts, and is no reason to spin.
                if (e is SocketException)
                    await Task.Delay(PauseAfterFault, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private void Admit(Socket connection)
    {
        if (present is null || connection.RemoteEndPoint is not IPEndPoint from)
        {
            connection.Dispose();
        }
        else if (!Enter(from.Address))
        {
            connection.Dispose();
            refusals.Refused(purpose, from, "too many connections are in the handshake");
        }
        else
        {
            _ = HandshakeAsync(connection, from);
        }
    }

    private async Task HandshakeAsync(Socket connection, IPEndPoint from)
    {
        try
        {
            if (await SecureAsync(connection, from).ConfigureAwait(false) is not { } stream)
            {
                connection.Dispose();
                return;
            }

            var accepted = new ClusterConnection(stream, connection);
            if (present is not { } listener || !listener.TryHand(accepted)) await accepted.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            Leave(from.Address);
        }
    }

    /// <summary>The stream to go on with, or null where there is none.</summary>
    private async Task<Stream?> SecureAsync(Socket connection, IPEndPoint from)
    {
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
            deadline.CancelAfter(PeerSecurity.Deadline);
            LinkSocket.Configure(connection);
            return await security.AcceptAsync(connection, purpose, deadline.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            if (!stopping.IsCancellationRequested)
                refusals.Refused(purpose, from, $"no handshake with it within {PeerSecurity.Deadline.TotalSeconds} s");
        }
        catch (PeerRefusedException e)
        {
            refusals.Refused(purpose, from, e.Message);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            // The other side went away.
        }
#pragma warning disable CA1031 // Whatever a stranger does, the port goes on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.HandshakeFailed(logger, from, e);
        }

        return null;
    }

    private bool Enter(IPAddress address)
    {
        lock (handshakes)
        {
            int present = handshakes.GetValueOrDefault(address);
            if (present >= MaxHandshakesPerAddress || !places.Wait(0)) return false;
            handshakes[address] = present + 1;
            return true;
        }
    }

    private void Leave(IPAddress address)
    {
        lock (handshakes)
        {
            if (--handshakes[address] == 0) handshakes.Remove(address);
        }

        places.Release();
    }

    /// <summary>What an incarnation accepts from.</summary>
    private sealed class Listener(ClusterPort port) : IConnectionListener
    {
        private readonly Channel<ConnectionContext> waiting = Channel.CreateBounded<ConnectionContext>(MaxWaiting);

        public EndPoint EndPoint => port.EndPoint;

        public bool TryHand(ClusterConnection connection) => waiting.Writer.TryWrite(connection);

        public void Close()
        {
            Interlocked.CompareExchange(ref port.present, null, this);
            waiting.Writer.TryComplete();
        }

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default) =>
            await waiting.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false) && waiting.Reader.TryRead(out ConnectionContext? next)
                ? next
                : null;

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            Close();
            return ValueTask.CompletedTask;
        }

        public async ValueTask DisposeAsync()
        {
            Close();
            while (waiting.Reader.TryRead(out ConnectionContext? left)) await left.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Error, "The handshake with {From} failed")]
        public static partial void HandshakeFailed(ILogger logger, IPEndPoint from, Exception exception);
    }
}
