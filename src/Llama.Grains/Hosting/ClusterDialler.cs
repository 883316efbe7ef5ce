using System.Net;
using System.Net.Sockets;
using Llama.Grains.Links;
using Microsoft.AspNetCore.Connections;

namespace Llama.Grains.Hosting;

/// <summary>Dials for Orleans: a connection comes out only when both sides have proved the cluster key.</summary>
/// <param name="security">TLS and key.</param>
/// <param name="purpose">What this process dials as.</param>
/// <param name="refusals">Told of connections that fail after TCP: a peer that is not there at all is no news here.</param>
internal sealed class ClusterDialler(PeerSecurity security, PeerPurpose purpose, RefusalLog refusals) : IConnectionFactory
{
    /// <inheritdoc/>
    public async ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(PeerSecurity.Deadline);
        try
        {
            await socket.ConnectAsync(endpoint, deadline.Token).ConfigureAwait(false);
            LinkSocket.Configure(socket);
            return new ClusterConnection(await SecureAsync(socket, (IPEndPoint)endpoint, deadline.Token).ConfigureAwait(false), socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task<Stream> SecureAsync(Socket socket, IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        try
        {
            return await security.DialAsync(socket, purpose, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            refusals.Failed(purpose, endPoint, e.Message);
            throw;
        }
    }
}
