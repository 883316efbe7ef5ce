using System.Net;
using System.Text;

namespace Llama.Grains.Membership.Http;

/// <summary>
/// The document that a gateway serves (<see cref="MembershipEndpoint"/>), over its HTTP port. Requests and answers are proven with the
/// cluster key, and with certificates where TLS is on.
/// </summary>
public sealed class GatewayDocument : IMembershipDocument
{
    private const int MaxSaid = 300;
    private static readonly byte[] NoBody = [];

    private readonly StoreHttp http;
    private readonly ReadOnlyMemory<byte> key;
    private readonly Uri address;
    private readonly TimeProvider time;
    private string? nonce;

    /// <summary>Connects to nothing yet.</summary>
    /// <param name="gateway">The gateway's address, <c>http://host:port</c> or <c>https://host:port</c>.</param>
    /// <param name="secrets">Key and certificate.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="InvalidDataException">The address is one with TLS, and there is no certificate.</exception>
    public GatewayDocument(Uri gateway, MembershipSecrets secrets, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(gateway);
        ArgumentNullException.ThrowIfNull(secrets);
        if (gateway.Scheme == Uri.UriSchemeHttps && secrets.Certificate is null)
            throw new InvalidDataException($"{gateway} speaks TLS and needs --tls, with a certificate to show there");
        address = new Uri(gateway, MembershipProof.Path);
        key = secrets.Key;
        this.time = time;
        http = new StoreHttp(secrets.Certificate, StoredDocument.MaxBytes);
    }

    /// <inheritdoc/>
    public string Location => $"{address}";

    /// <inheritdoc/>
    public bool IsNewStore => false;

    /// <inheritdoc/>
    public async Task<StoredDocument> ReadAsync(CancellationToken cancellationToken)
    {
        Answer answer = await AskAsync(HttpMethod.Get, string.Empty, string.Empty, NoBody, cancellationToken).ConfigureAwait(false);
        return answer.Status switch
        {
            HttpStatusCode.OK => new StoredDocument(Encoding.UTF8.GetString(answer.Body), answer.Revision),
            HttpStatusCode.NoContent => new StoredDocument(null, answer.Revision),
            _ => throw Failed(answer),
        };
    }

    /// <inheritdoc/>
    public async Task<bool> TryWriteAsync(string text, string revision, string writeId, CancellationToken cancellationToken)
    {
        Answer answer = await AskAsync(HttpMethod.Put, revision, writeId, Encoding.UTF8.GetBytes(text), cancellationToken).ConfigureAwait(false);
        return answer.Status switch
        {
            HttpStatusCode.NoContent => true,
            HttpStatusCode.PreconditionFailed => false,
            _ => throw Failed(answer),
        };
    }

    /// <inheritdoc/>
    public void Dispose() => http.Dispose();

    /// <summary>Asks with the nonce of the last answer, and once more where the gateway does not take that any more.</summary>
    private async Task<Answer> AskAsync(HttpMethod method, string revision, string writeId, byte[] body, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(StoredDocument.Deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            string? used = Interlocked.Exchange(ref nonce, null);
            Answer answer = await AskOnceAsync(method, revision, writeId, body, used, either.Token).ConfigureAwait(false);
            return answer.Status == HttpStatusCode.Unauthorized
                ? await AskOnceAsync(method, revision, writeId, body, Interlocked.Exchange(ref nonce, null), either.Token).ConfigureAwait(false)
                : answer;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new MembershipStoreException($"{address}: no answer within {StoredDocument.Deadline.TotalSeconds:0} s");
        }
        catch (MembershipStoreException e)
        {
            throw new MembershipStoreException($"{address}: {e.Message}", e.InnerException);
        }
    }

    private async Task<Answer> AskOnceAsync(
        HttpMethod method, string revision, string writeId, byte[] body, string? used, CancellationToken cancellationToken)
    {
        var toProve = new RequestToProve(
            method.Method, revision, writeId, used ?? string.Empty, MembershipProof.NewChallenge(), MembershipProof.DigestOf(body));
        string proof = MembershipProof.OfRequest(key.Span, toProve);
        using var request = new HttpRequestMessage(method, address);
        if (method == HttpMethod.Put)
        {
            request.Content = new ByteArrayContent(body);
            request.Headers.TryAddWithoutValidation("If-Match", $"\"{revision}\"");
        }

        request.Headers.TryAddWithoutValidation(MembershipProof.WriteId, writeId);
        request.Headers.TryAddWithoutValidation(MembershipProof.Nonce, toProve.Nonce);
        request.Headers.TryAddWithoutValidation(MembershipProof.Challenge, toProve.Challenge);
        request.Headers.TryAddWithoutValidation(MembershipProof.Digest, toProve.BodyDigest);
        request.Headers.TryAddWithoutValidation(MembershipProof.Proof, proof);
        using HttpResponseMessage response = await http.SendAsync(request, cancellationToken).ConfigureAwait(false);
        if (HeaderOf(response, MembershipProof.Nonce) is { } next) nonce = next;
        byte[] content = await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
        string told = (HeaderOf(response, "ETag") ?? string.Empty).Trim('"');
        string expected = MembershipProof.OfAnswer(
            key.Span, proof, (int)response.StatusCode, told, MembershipProof.DigestOf(content));
        bool proven = MembershipProof.AreEqual(HeaderOf(response, MembershipProof.Proof), expected);
        var answer = new Answer(response.StatusCode, told, content, proven);
        return proven || answer.Status == HttpStatusCode.Unauthorized ? answer : throw Failed(answer);
    }

    private static string? HeaderOf(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.FirstOrDefault() : null;

    private static MembershipStoreException Failed(Answer answer)
    {
        string said = Encoding.UTF8.GetString(answer.Body).Trim();
        if (said.Length > MaxSaid) said = said[..MaxSaid] + "…";
        return new MembershipStoreException(answer switch
        {
            { IsProven: true } => said,
            { Status: HttpStatusCode.OK or HttpStatusCode.NoContent or HttpStatusCode.PreconditionFailed } =>
                "it answers, and does not prove that it has this cluster's key",
            _ => $"it answers with status {(int)answer.Status}: {said}",
        });
    }

    private sealed record Answer(HttpStatusCode Status, string Revision, byte[] Body, bool IsProven);
}
