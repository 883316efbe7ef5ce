using System.Net.Sockets;
using Llama.Grains.Certificates;
using Llama.Grains.Settings;

namespace Llama.Grains.Links;

/// <summary>Opens links to other processes.</summary>
public static class Dialler
{
    /// <summary>Connects and completes the handshake.</summary>
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
        string hint = "";
        try
        {
            socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            LinkSocket.Configure(socket);
            await socket.ConnectAsync(endPoint.Host, port, deadline.Token).ConfigureAwait(false);
            ProcessCertificate? certificate = self.Credentials.Certificate;
            if (certificate is not null) hint = " It may have been started without --tls.";
            Stream stream = await LinkTls.DialAsync(
                new NetworkStream(socket, ownsSocket: true), certificate, deadline.Token).ConfigureAwait(false);

            // In TLS 1.3 the side that dials has done its part before the other has seen its certificate.
            hint = certificate is null
                ? " It may need TLS: this process was started without --tls." : " It may have refused this process's certificate, which its log says.";
            await Handshake.DialAsync(stream, self, target, deadline.Token).ConfigureAwait(false);
            return stream;
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            socket?.Dispose();
            throw new IOException($"No {target.Purpose} link to {address}: {e.Message}{(e is LinkException ? "" : hint)}", e);
        }
        catch (OperationCanceledException e)
        {
            socket?.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            throw new IOException($"No {target.Purpose} link to {address} within {Handshake.Deadline.TotalSeconds:0} s.", e);
        }
    }
}
