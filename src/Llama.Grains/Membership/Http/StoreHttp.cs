using Llama.Grains.Certificates;

namespace Llama.Grains.Membership.Http;

/// <summary>How a store is reached over HTTP: directly, with this process's certificate where TLS is on, and with bounds.</summary>
internal sealed class StoreHttp : IDisposable
{
    private readonly HttpClient client;
    private volatile string? refused;

    /// <summary>Connects to nothing yet.</summary>
    /// <param name="certificate">What to show, and whose certificates to accept; null for HTTP without TLS.</param>
    /// <param name="maxAnswerBytes">Longest answer that is read.</param>
    public StoreHttp(ProcessCertificate? certificate, long maxAnswerBytes)
    {
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            ConnectTimeout = StoredDocument.Deadline,
        };
        if (certificate is not null) handler.SslOptions = certificate.ForDialler(checkName: true, reason => refused = reason);
        client = new HttpClient(handler) { Timeout = StoredDocument.Deadline, MaxResponseContentBufferSize = maxAnswerBytes };
    }

    /// <summary>Sends a request, and reads the answer as a whole.</summary>
    /// <param name="request">The request.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="MembershipStoreException">There was no answer in time; the message says why, and not whose.</exception>
    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await client.SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new MembershipStoreException(Explain(e, request.RequestUri!), e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new MembershipStoreException($"no answer within {StoredDocument.Deadline.TotalSeconds:0} s", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => client.Dispose();

    /// <summary>What went wrong with TLS is said by the innermost exception, and by the check of the certificate.</summary>
    private string Explain(Exception exception, Uri address)
    {
        (string? reason, refused) = (refused, null);
        if (reason is not null) return $"it is not trusted: {reason}";
        string message = exception.GetBaseException().Message;
        bool secure = address.Scheme == Uri.UriSchemeHttps;
        return (exception as HttpRequestException)?.HttpRequestError switch
        {
            HttpRequestError.SecureConnectionError => $"no TLS handshake, it may not speak TLS: {message}",
            HttpRequestError.ResponseEnded when secure => $"it closed the connection, and may have refused this process's certificate: {message}",
            HttpRequestError.ResponseEnded => $"it closed the connection, and may speak TLS only: {message}",
            _ => message,
        };
    }
}
