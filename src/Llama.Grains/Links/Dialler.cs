using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Llama.Grains.Links;

/// <summary>Opens links to other processes.</summary>
public static class Dialler
{
    /// <summary>Connects and greets.</summary>
    /// <param name="address"><c>host:port</c>.</param>
    /// <param name="self">This process.</param>
    /// <param name="target">What the link is for.</param>
    /// <param name="cancellationToken">Ends the attempt, which has a deadline of its own.</param>
    /// <exception cref="IOException">Nobody answers there, or the other side refuses; the message names the address.</exception>
    public static async Task<Stream> DialAsync(string address, LinkIdentity self, LinkTarget target, CancellationToken cancellationToken)
    {
        (string host, int port) = Split(address);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(Handshake.Deadline);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(host, port, deadline.Token).ConfigureAwait(false);
            var stream = new NetworkStream(socket, ownsSocket: true);
            await Handshake.DialAsync(stream, self, target, deadline.Token).ConfigureAwait(false);
            return stream;
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            socket.Dispose();
            throw new IOException($"No {target.Purpose} link to {address}: {e.Message}", e);
        }
        catch (OperationCanceledException e)
        {
            socket.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            throw new IOException($"No {target.Purpose} link to {address} within {Handshake.Deadline.TotalSeconds:0} s.", e);
        }
    }

    /// <summary>The host and port of an address, IPv6 in brackets.</summary>
    /// <exception cref="FormatException">The text is no <c>host:port</c>.</exception>
    public static (string Host, int Port) Split(string address)
    {
        ArgumentNullException.ThrowIfNull(address);
        int colon = address.LastIndexOf(':');
        if (colon <= 0 || !int.TryParse(address.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port) || port > 65535)
            throw new FormatException($"'{address}' is no address; expected host:port.");
        return (address[..colon].Trim('[', ']'), port);
    }

    /// <summary>Whether a host can only be reached from this machine.</summary>
    public static bool IsLoopback(string host) =>
        string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host, out IPAddress? ip) && IPAddress.IsLoopback(ip));
}
