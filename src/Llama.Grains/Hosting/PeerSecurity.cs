using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Llama.Grains.Certificates;
using Llama.Grains.Links;

namespace Llama.Grains.Hosting;

/// <summary>
/// What stands before Orleans on each of its connections: TLS with certificates of the cluster's authority on both sides if this process
/// has one, then the proof of the cluster key. Afterwards the stream is Orleans' alone.
/// </summary>
/// <param name="Key">The cluster key; empty when none is set, which only loopback allows.</param>
/// <param name="Certificate">What is shown on TLS; null for connections without TLS.</param>
internal sealed record PeerSecurity(ReadOnlyMemory<byte> Key, ProcessCertificate? Certificate)
{
    /// <summary>Time that TLS and proof may take together.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    /// <summary>Lets a connection in, or refuses it.</summary>
    /// <param name="socket">The connection, from which nothing has been read.</param>
    /// <param name="purpose">What the port is for.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The stream to go on with; it owns the socket.</returns>
    /// <exception cref="PeerRefusedException">The other side is not let in.</exception>
    /// <exception cref="IOException">The connection failed.</exception>
    public async Task<Stream> AcceptAsync(Socket socket, PeerPurpose purpose, CancellationToken cancellationToken)
    {
        Stream stream = new NetworkStream(socket, ownsSocket: true);
        if (Certificate is not null) stream = await AcceptTlsAsync(stream, Certificate, cancellationToken).ConfigureAwait(false);
        await PeerProof.AnswerAsync(stream, Key, purpose, cancellationToken).ConfigureAwait(false);
        return stream;
    }

    /// <summary>Gets let in.</summary>
    /// <inheritdoc cref="AcceptAsync"/>
    public async Task<Stream> DialAsync(Socket socket, PeerPurpose purpose, CancellationToken cancellationToken)
    {
        Stream stream = await LinkTls.DialAsync(
            new NetworkStream(socket, ownsSocket: true), Certificate, cancellationToken).ConfigureAwait(false);
        await PeerProof.DialAsync(stream, Key, purpose, cancellationToken).ConfigureAwait(false);
        return stream;
    }

    private static async Task<Stream> AcceptTlsAsync(Stream stream, ProcessCertificate certificate, CancellationToken cancellationToken)
    {
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
            throw new PeerRefusedException(fault ?? $"no TLS handshake with it: {(e.InnerException ?? e).Message}");
        }
    }
}
