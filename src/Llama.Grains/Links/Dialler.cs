using System.Net.Sockets;
using Llama.Grains.Settings;

namespace Llama.Grains.Links;

/// <summary>Opens links to other processes.</summary>
public static class Dialler
{
    /// <summary>Connects and greets.</summary>
    /// <param name="address"><c>host:port</c>.</param>
    /// <param name="self">This process.</param>
    /// <param name="target">What the link is for.</param>
    /// <param name="cancellationToken">Ends the attempt, which has a deadline of its own.</param>
    /// <exception cref="IOException">
    /// It is no address, nobody answers there, or the other side refuses; the message names the address.
    /// </exception>
    public static async Task<Stream> DialAsync(string address, LinkIdentity self, LinkTarget target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(self);
        if (!HostPort.TryParse(address, out HostPort endPoint) || endPoint.Port is not { } port)
            throw new IOException($"'{address}' is no address to dial; expected host:port.");
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(Handshake.Deadline);
        Socket? socket = null;
        bool secured = false;
        try
        {
            socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            LinkSocket.Configure(socket);
            await socket.ConnectAsync(endPoint.Host, port, deadline.Token).ConfigureAwait(false);
            Stream stream = await LinkTls.DialAsync(
                new NetworkStream(socket, ownsSocket: true), self.Certificate, deadline.Token).ConfigureAwait(false);
            secured = self.Certificate is not null;
            await Handshake.DialAsync(stream, self, target, deadline.Token).ConfigureAwait(false);
            return stream;
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            socket?.Dispose();

            // In TLS 1.3 the side that dials has done its part before the other has seen its certificate.
            string hint = secured && e is not LinkException ? " It may have refused this process's certificate, which its log says." : "";
            throw new IOException($"No {target.Purpose} link to {address}: {e.Message}{hint}", e);
        }
        catch (OperationCanceledException e)
        {
            socket?.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            throw new IOException($"No {target.Purpose} link to {address} within {Handshake.Deadline.TotalSeconds:0} s.", e);
        }
    }
}
