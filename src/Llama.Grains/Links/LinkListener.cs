using System.Net;
using System.Net.Sockets;
using Llama.Grains.Settings;
using Llama.Model.Machine;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Links;

/// <summary>Serves links that others dial. A link that misbehaves is closed; nothing else happens.</summary>
public sealed partial class LinkListener : IAsyncDisposable
{
    private const int MaxLinks = 256;

    private readonly Socket socket;
    private readonly LinkIdentity self;
    private readonly Func<Stream, LinkTarget, CancellationToken, Task> serve;
    private readonly ILogger logger;
    private readonly CancellationTokenSource stopping = new();
    private readonly SemaphoreSlim places = new(MaxLinks);
    private readonly Task accepting;
    private int disposed;

    private LinkListener(Socket socket, LinkIdentity self, Func<Stream, LinkTarget, CancellationToken, Task> serve, ILogger logger)
    {
        this.socket = socket;
        this.self = self;
        this.serve = serve;
        this.logger = logger;
        EndPoint = (IPEndPoint)socket.LocalEndPoint!;
        if (Descriptors.Left() - Descriptors.KeptFromLinks is { } left and < MaxLinks) Log.FewLinks(logger, Math.Max(0, left), Descriptors.Limit);
        accepting = AcceptAsync();
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>Starts listening.</summary>
    /// <param name="host">Address or name to bind to.</param>
    /// <param name="port">Port; 0 for any free one.</param>
    /// <param name="self">This process.</param>
    /// <param name="serve">
    /// Serves one link until it ends. It must call <see cref="Handshake.AcceptAsync"/> or <see cref="Handshake.RefuseAsync"/> first.
    /// The link closes when the task ends.
    /// </param>
    /// <param name="logger">Told of links that misbehave.</param>
    /// <exception cref="IOException">The address cannot be bound.</exception>
    public static LinkListener Start(
        string host, int port, LinkIdentity self, Func<Stream, LinkTarget, CancellationToken, Task> serve, ILogger logger)
    {
        Socket? socket = null;
        try
        {
            IPAddress address = new HostPort(host, port).FindAddress();
            socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(address, port));
            socket.Listen(MaxLinks);
            return new LinkListener(socket, self, serve, logger);
        }
        catch (SocketException e)
        {
            socket?.Dispose();
            throw new IOException($"Cannot listen on {host}:{port}: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 1) return;
        await stopping.CancelAsync().ConfigureAwait(false);
        socket.Dispose();
        await accepting.ConfigureAwait(false);

        // Every link holds a place until it has ended.
        for (int i = 0; i < MaxLinks; i++) await places.WaitAsync().ConfigureAwait(false);
        places.Dispose();
        stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        var acceptor = new Acceptor<Socket>(
            async cancellationToken => await socket.AcceptAsync(cancellationToken).ConfigureAwait(false), link => link,
            Descriptors.KeptFromLinks, TimeProvider.System, logger);
        while (true)
        {
            try
            {
                await places.WaitAsync(stopping.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            if (await acceptor.AcceptAsync(stopping.Token).ConfigureAwait(false) is not { } link)
            {
                places.Release();
                return;
            }

            _ = ServeAsync(link);
        }
    }

    private async Task ServeAsync(Socket link)
    {
        EndPoint? peer = null;
        try
        {
            peer = link.RemoteEndPoint;
            LinkSocket.Configure(link);
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
            deadline.CancelAfter(Handshake.Deadline);
            Stream stream = await LinkTls.AcceptAsync(
                new NetworkStream(link, ownsSocket: true), self.Credentials.Certificate, deadline.Token).ConfigureAwait(false);
            await using (stream.ConfigureAwait(false))
            {
                (_, LinkTarget target) = await Handshake.AnswerAsync(stream, self, deadline.Token).ConfigureAwait(false);
                deadline.CancelAfter(Timeout.InfiniteTimeSpan);
                await serve(stream, target, stopping.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping, or no hello in time.
        }
        catch (LinkException e)
        {
            Log.LinkClosed(logger, peer, e.Message);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            // The other side went away.
        }
#pragma warning disable CA1031 // Whatever a link does, the listener goes on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.LinkFailed(logger, e);
        }
        finally
        {
            link.Dispose();
            places.Release();
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "A link was closed: {Peer}: {Reason}")]
        public static partial void LinkClosed(ILogger logger, EndPoint? peer, string reason);

        [LoggerMessage(2, LogLevel.Error, "A link failed")]
        public static partial void LinkFailed(ILogger logger, Exception exception);

        [LoggerMessage(3, LogLevel.Warning, "At most about {Links} links at once: this process may have {Descriptors} descriptors (ulimit -n)")]
        public static partial void FewLinks(ILogger logger, int links, int? descriptors);
    }
}
