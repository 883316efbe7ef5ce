using System.Net;
using System.Net.Sockets;
using Llama.Grains.Links;
using Llama.Model.Machine;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Llama.Gateway;

/// <summary>
/// How Kestrel gets its connections: from its own sockets, as long as enough descriptors are left. A fault that would end its loop, and leave
/// a gateway that nobody can reach, is waited out.
/// </summary>
internal sealed class HttpListenerFactory(SocketTransportFactory sockets, TimeProvider time, ILoggerFactory logging) : IConnectionListenerFactory
{
    /// <inheritdoc/>
    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
        new Listener(await sockets.BindAsync(endpoint, cancellationToken), time, logging.CreateLogger("Llama.Gateway"));

    private sealed class Listener(IConnectionListener inner, TimeProvider time, ILogger logger) : IConnectionListener
    {
        private readonly Acceptor<ConnectionContext> acceptor =
            new(inner.AcceptAsync, SocketOf, Descriptors.KeptFromClients, time, logger);

        /// <inheritdoc/>
        public EndPoint EndPoint => inner.EndPoint;

        /// <inheritdoc/>
        public ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default) =>
            acceptor.AcceptAsync(cancellationToken);

        /// <inheritdoc/>
        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => inner.UnbindAsync(cancellationToken);

        /// <inheritdoc/>
        public ValueTask DisposeAsync() => inner.DisposeAsync();

        private static Socket SocketOf(ConnectionContext connection) => connection.Features.Get<IConnectionSocketFeature>()!.Socket;
    }
}
