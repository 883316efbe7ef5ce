using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Llama.Grains.Certificates;

namespace Llama.Grains.Links;

/// <summary>
/// TLS under a link, both sides showing a certificate of the cluster's authority. Names in certificates are not checked here: members are
/// reached at addresses that they announce, and every member may do the same. A side with TLS and one without find that out from the
/// first bytes, and say so.
/// </summary>
internal static class LinkTls
{
    /// <summary>Secures a link as the side that dialled.</summary>
    /// <returns>The stream to greet on, which owns the given one.</returns>
    /// <exception cref="IOException">The other side is no peer with TLS, or has no certificate of the authority.</exception>
    public static async Task<Stream> DialAsync(Stream stream, ProcessCertificate? certificate, CancellationToken cancellationToken)
    {
        if (certificate is null) return stream;
        string? fault = null;
        var secured = new SslStream(stream);
        try
        {
            await secured.AuthenticateAsClientAsync(
                certificate.ForDialler(checkName: false, reason => fault = reason), cancellationToken).ConfigureAwait(false);
            return secured;
        }
        catch (Exception e)
        {
            await secured.DisposeAsync().ConfigureAwait(false);
            if (e is not (AuthenticationException or IOException)) throw;
            throw new IOException(fault ?? $"no TLS handshake with it; it may have been started without --tls: {e.Message}", e);
        }
    }

    /// <summary>Secures a link as the side that was dialled.</summary>
    /// <param name="socket">The connection, from which nothing has been read.</param>
    /// <param name="certificate">What to show; null for a process without TLS, which gets the connection as it is.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The stream to answer on, which owns the connection.</returns>
    /// <exception cref="LinkException">The other side has no TLS where this one has, or the reverse, or no good certificate.</exception>
    /// <exception cref="IOException">The other side went away.</exception>
    public static async Task<Stream> AcceptAsync(Socket socket, ProcessCertificate? certificate, CancellationToken cancellationToken)
    {
        byte[] first = new byte[Frames.HeaderBytes];
        int bytes = await socket.ReceiveAsync(first, SocketFlags.Peek, cancellationToken).ConfigureAwait(false);
        EndPoint? other = socket.RemoteEndPoint;
        var stream = new NetworkStream(socket, ownsSocket: true);
        if (certificate is null)
        {
            return StartsTls(first)
                ? throw new LinkException($"{other} speaks TLS; this process was started without --tls.")
                : stream;
        }

        if (bytes == first.Length && StartsPlain(first)) await RefusePlainAsync(other, stream, cancellationToken).ConfigureAwait(false);
        string? fault = null;
        var secured = new SslStream(stream);
        try
        {
            await secured.AuthenticateAsServerAsync(
                certificate.ForListener(demand: true, reason => fault = reason), cancellationToken).ConfigureAwait(false);
            return secured;
        }
        catch (Exception e)
        {
            await secured.DisposeAsync().ConfigureAwait(false);
            if (e is not AuthenticationException) throw;
            string reason = fault ?? $"no TLS handshake with it: {(e.InnerException ?? e).Message}";
            throw new LinkException($"{other}: {reason}");
        }
    }

    /// <summary>
    /// Whether bytes are a TLS record of a handshake (RFC 8446, section 5.1). Read as the length of a frame, they would be too long for a
    /// hello.
    /// </summary>
    private static bool StartsTls(ReadOnlySpan<byte> first) => first is [22, 3, > 0, ..];

    private static bool StartsPlain(ReadOnlySpan<byte> first) =>
        first[4] == (byte)FrameKind.Hello && BinaryPrimitives.ReadInt32LittleEndian(first) is >= 0 and <= Handshake.MaxBytes;

    /// <summary>Reads the hello first: a connection that closes with bytes unread is reset, and the answer is lost.</summary>
    private static async Task RefusePlainAsync(EndPoint? other, NetworkStream stream, CancellationToken cancellationToken)
    {
        await Frames.ReadAsync(stream, Handshake.MaxBytes, cancellationToken).ConfigureAwait(false);
        await Handshake.RefuseAsync(
            stream, "links to this process need TLS; start the one that dialled with --tls, too.", cancellationToken).ConfigureAwait(false);
        throw new LinkException($"{other} does not speak TLS: it was started without --tls.");
    }
}
