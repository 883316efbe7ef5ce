using System.Net.Security;
using System.Security.Authentication;
using Llama.Grains.Certificates;

namespace Llama.Grains.Links;

/// <summary>
/// TLS under a link, both sides showing a certificate of the cluster's authority. Names in certificates are not checked here: members are
/// reached at addresses that they announce, and every member may do the same.
/// </summary>
internal static class LinkTls
{
    /// <summary>Secures a link as the side that dialled.</summary>
    /// <param name="stream">The connection.</param>
    /// <param name="certificate">What to show; null for a process without TLS, which gets the connection as it is.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The stream for the handshake, which owns the given one.</returns>
    /// <exception cref="IOException">The other side is no peer with TLS, or has no certificate of the authority.</exception>
    public static Task<Stream> DialAsync(Stream stream, ProcessCertificate? certificate, CancellationToken cancellationToken)
    {
        string? fault = null;
        return SecureAsync(
            stream, certificate,
            secured => secured.AuthenticateAsClientAsync(certificate!.ForDialler(checkName: false, reason => fault = reason), cancellationToken),
            () => fault);
    }

    /// <summary>Secures a link as the side that was dialled.</summary>
    /// <inheritdoc cref="DialAsync"/>
    public static Task<Stream> AcceptAsync(Stream stream, ProcessCertificate? certificate, CancellationToken cancellationToken)
    {
        string? fault = null;
        return SecureAsync(
            stream, certificate,
            secured => secured.AuthenticateAsServerAsync(certificate!.ForListener(demand: true, reason => fault = reason), cancellationToken),
            () => fault);
    }

    private static async Task<Stream> SecureAsync(
        Stream stream, ProcessCertificate? certificate, Func<SslStream, Task> authenticate, Func<string?> fault)
    {
        if (certificate is null) return stream;
        var secured = new SslStream(stream);
        try
        {
            await authenticate(secured).ConfigureAwait(false);
            return secured;
        }
        catch (Exception e)
        {
            await secured.DisposeAsync().ConfigureAwait(false);
            if (e is not AuthenticationException) throw;
            throw new LinkException(fault()
                ?? $"no TLS handshake with it; it may have been started without --tls: {(e.InnerException ?? e).Message}");
        }
    }
}
