using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Membership.Http;

/// <summary>
/// Serves a membership document to other processes of the cluster, at one path of a gateway: GET reads it, PUT replaces the revision that
/// <c>If-Match</c> names. A caller proves the cluster key before anything of its request is read or kept
/// (<see cref="MembershipProof"/>), and shows a certificate where TLS is on; answers are proven as well.
/// </summary>
public sealed partial class MembershipEndpoint
{
    /// <summary>The path that it is mapped at, and that <see cref="GatewayDocument"/> asks.</summary>
    public const string Path = MembershipProof.Path;

    private static readonly TimeSpan RefusalsLogged = TimeSpan.FromSeconds(10);
    private static readonly UTF8Encoding Utf8 = new(false, throwOnInvalidBytes: true);

    private readonly IMembershipDocument document;
    private readonly ReadOnlyMemory<byte> key;
    private readonly bool requireCertificate;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly Nonces nonces;
    private long lastRefusal;

    /// <summary>Serves a document, in whatever store it is.</summary>
    /// <param name="document">The document.</param>
    /// <param name="key">The cluster key; empty when none is set, which only loopback allows.</param>
    /// <param name="requireCertificate">
    /// Whether a client must have shown a certificate. The port's TLS has checked it already: <c>ProcessCertificate.ForListener</c>.
    /// </param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Told who is refused, once in ten seconds.</param>
    public MembershipEndpoint(
        IMembershipDocument document, ReadOnlyMemory<byte> key, bool requireCertificate, TimeProvider time,
        ILogger<MembershipEndpoint> logger)
    {
        ArgumentNullException.ThrowIfNull(time);
        this.document = document;
        this.key = key;
        this.requireCertificate = requireCertificate;
        this.time = time;
        this.logger = logger;
        nonces = new Nonces(time);
        lastRefusal = time.GetTimestamp() - (long)(RefusalsLogged.TotalSeconds * time.TimestampFrequency);
    }

    /// <summary>Serves a request; a <see cref="RequestDelegate"/>.</summary>
    public async Task InvokeAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers[MembershipProof.Nonce] = nonces.Make();
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = StoredDocument.MaxBytes;
        RequestToProve request = Read(context.Request);
        string proof = HeaderOf(context.Request, MembershipProof.Proof);
        if (FaultOf(context, request, proof) is var (status, fault))
        {
            // A nonce that is over is no fault of the client.
            if (status != StatusCodes.Status401Unauthorized && IsTimeToLog()) Log.Refused(logger, $"{context.Connection.RemoteIpAddress}", fault);
            await AnswerAsync(context, null, status, string.Empty, fault).ConfigureAwait(false);
            return;
        }

        try
        {
            using var deadline = new CancellationTokenSource(StoredDocument.Deadline, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, context.RequestAborted);
            (int done, string revision, string text) = await ServeAsync(context, request, either.Token).ConfigureAwait(false);
            await AnswerAsync(context, proof, done, revision, text).ConfigureAwait(false);
        }
        catch (MembershipStoreException e)
        {
            await AnswerAsync(context, proof, StatusCodes.Status503ServiceUnavailable, string.Empty, e.Message).ConfigureAwait(false);
        }
        catch (BadHttpRequestException e)
        {
            await AnswerAsync(context, proof, e.StatusCode, string.Empty, e.Message).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The caller is gone, or too slow.
            context.Abort();
        }
    }

    private async Task<(int Status, string Revision, string Text)> ServeAsync(
        HttpContext context, RequestToProve request, CancellationToken cancellationToken)
    {
        if (request.Method == HttpMethods.Get)
        {
            (string? text, string revision) = await document.ReadAsync(cancellationToken).ConfigureAwait(false);
            return text is null ? (StatusCodes.Status204NoContent, revision, string.Empty) : (StatusCodes.Status200OK, revision, text);
        }

        byte[]? body = await ReadBodyAsync(context.Request, cancellationToken).ConfigureAwait(false);
        if (body is null) return (StatusCodes.Status413PayloadTooLarge, string.Empty, TooLong);
        if (MembershipProof.DigestOf(body) != request.BodyDigest)
            return (StatusCodes.Status400BadRequest, string.Empty, "the body is another than the proof is for");
        try
        {
            string text = Utf8.GetString(body);
            return await document.TryWriteAsync(text, request.Revision, request.WriteId, cancellationToken).ConfigureAwait(false)
                ? (StatusCodes.Status204NoContent, string.Empty, string.Empty)
                : (StatusCodes.Status412PreconditionFailed, string.Empty, string.Empty);
        }
        catch (Exception e) when (e is DecoderFallbackException or FormatException or OverflowException)
        {
            return (StatusCodes.Status400BadRequest, string.Empty, $"the body or the revision is none: {e.Message}");
        }
    }

    private static string TooLong => $"a document has at most {StoredDocument.MaxBytes} bytes";

    private (int Status, string Fault)? FaultOf(HttpContext context, RequestToProve request, string proof)
    {
        if (request.Method != HttpMethods.Get && request.Method != HttpMethods.Put)
            return (StatusCodes.Status405MethodNotAllowed, "expected GET or PUT");
        if (context.Request.ContentLength > StoredDocument.MaxBytes) return (StatusCodes.Status413PayloadTooLarge, TooLong);
        if (context.Request.Headers.Origin.Count > 0) return (StatusCodes.Status403Forbidden, "no web page may ask for this");
        if (requireCertificate && context.Connection.ClientCertificate is null)
            return (StatusCodes.Status403Forbidden, "it shows no certificate; expected one of this cluster's authority");
        if (!nonces.IsMine(request.Nonce)) return (StatusCodes.Status401Unauthorized, "the nonce is none of this gateway's, or is over");
        if (!MembershipProof.AreEqual(proof, MembershipProof.OfRequest(key.Span, request)))
            return (StatusCodes.Status403Forbidden, "it does not prove that it has the key of this cluster");
        return nonces.TryUse(request.Nonce) ? null : (StatusCodes.Status401Unauthorized, "the nonce was used before");
    }

    private async Task AnswerAsync(HttpContext context, string? requestProof, int status, string revision, string text)
    {
        byte[] body = Encoding.UTF8.GetBytes(text);
        HttpResponse response = context.Response;
        response.StatusCode = status;
        if (revision.Length > 0) response.Headers.ETag = $"\"{revision}\"";
        if (requestProof is not null)
        {
            response.Headers[MembershipProof.Proof] =
                MembershipProof.OfAnswer(key.Span, requestProof, status, revision, MembershipProof.DigestOf(body));
        }

        if (body.Length == 0) return;
        response.ContentLength = body.Length;
        await response.Body.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
    }

    private static RequestToProve Read(HttpRequest request) => new(
        request.Method, HeaderOf(request, "If-Match").Trim('"'), HeaderOf(request, MembershipProof.WriteId),
        HeaderOf(request, MembershipProof.Nonce), HeaderOf(request, MembershipProof.Challenge), HeaderOf(request, MembershipProof.Digest));

    private static string HeaderOf(HttpRequest request, string name) => request.Headers[name].FirstOrDefault() ?? string.Empty;

    /// <summary>The body; null where it is too long.</summary>
    private static async Task<byte[]?> ReadBodyAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        using var body = new MemoryStream();
        byte[] part = new byte[8192];
        while (await request.Body.ReadAsync(part, cancellationToken).ConfigureAwait(false) is > 0 and var length)
        {
            if (body.Length + length > StoredDocument.MaxBytes) return null;
            body.Write(part, 0, length);
        }

        return body.ToArray();
    }

    private bool IsTimeToLog()
    {
        long before = Interlocked.Read(ref lastRefusal);
        return time.GetElapsedTime(before) >= RefusalsLogged
            && Interlocked.CompareExchange(ref lastRefusal, time.GetTimestamp(), before) == before;
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "{Address} may not have the membership document: {Reason}")]
        public static partial void Refused(ILogger logger, string address, string reason);
    }
}
