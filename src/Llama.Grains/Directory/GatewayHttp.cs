using Llama.Grains.Certificates;
using Llama.Grains.Links;

namespace Llama.Grains.Directory;

/// <summary>How a silo reaches a gateway's HTTP port, with its certificate if it has one, and what it means when it does not.</summary>
internal sealed class GatewayHttp : IDisposable
{
    private readonly bool secure;
    private string? fault;

    /// <summary>A client for one gateway at a time.</summary>
    /// <param name="certificate">What to show, and whose certificates to accept; null for HTTP without TLS.</param>
    public GatewayHttp(ProcessCertificate? certificate)
    {
        secure = certificate is not null;
        var handler = new SocketsHttpHandler { UseProxy = false };
        if (certificate is not null) handler.SslOptions = certificate.ForDialler(checkName: true, reason => fault = reason);
        Client = new HttpClient(handler) { Timeout = Handshake.Deadline };
    }

    /// <summary>The client; a request has the time of a handshake.</summary>
    public HttpClient Client { get; }

    /// <summary>Why a silo could not join, in a sentence.</summary>
    public string Explain(Exception exception)
    {
        (string? refused, fault) = (fault, null);
        if (exception is OperationCanceledException) return $"no answer within {Handshake.Deadline.TotalSeconds:0} s";
        if (!secure || exception is not HttpRequestException
            {
                HttpRequestError: not (HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError),
            })
            return exception.Message;
        if (refused is not null) return $"it is not trusted: {refused}";
        string message = exception.GetBaseException().Message;
        return exception is HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError }
            ? $"no TLS handshake with it; it may have been started without --tls: {message}"
            : $"the connection closed; it may have refused the certificate of this process, which its log says: {message}";
    }

    /// <inheritdoc/>
    public void Dispose() => Client.Dispose();
}
