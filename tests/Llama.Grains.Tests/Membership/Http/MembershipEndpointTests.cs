using System.Net;
using System.Net.Security;
using Llama.Grains.Membership;
using Llama.Grains.Membership.Http;
using Llama.Grains.Tests.Certificates;
using Llama.Tests;

namespace Llama.Grains.Tests.Membership.Http;

/// <summary>What a gateway makes of requests that no silo would send.</summary>
public sealed class MembershipEndpointTests : IAsyncLifetime
{
    private static readonly byte[] Key = "the key of this cluster"u8.ToArray();
    private static readonly byte[] Body = "a document"u8.ToArray();

    private readonly MemoryDocument document = new();
    private readonly ManualTime time = new();
    private readonly HttpClient http = new();
    private TestGateway? gateway;

    public async ValueTask InitializeAsync() => gateway = await TestGateway.StartAsync(document, Key, time: time);

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        document.Dispose();
        await gateway!.DisposeAsync();
    }

    [Fact]
    public async Task Put_SentTwice_IsTakenOnce()
    {
        RequestToProve request = await PutAsync();

        Assert.Equal(HttpStatusCode.NoContent, await SendAsync(request, Body));
        string revision = (await document.ReadAsync(Patience.Token)).Revision;
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(request, Body));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(request with { Nonce = request.Nonce.ToLowerInvariant() }, Body));

        Assert.Equal(new StoredDocument("a document", revision), await document.ReadAsync(Patience.Token));
    }

    [Fact]
    public async Task Put_ChangedOnItsWay_IsRefused()
    {
        RequestToProve request = await PutAsync();
        string proof = MembershipProof.OfRequest(Key, request);

        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(request with { Revision = "other" }, Body, proof));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(request with { WriteId = "other" }, Body, proof));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(request with { Challenge = "other" }, Body, proof));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(request with { Method = "GET" }, [], proof));
        Assert.Equal(
            HttpStatusCode.Forbidden,
            await SendAsync(request with { BodyDigest = MembershipProof.DigestOf("another"u8) }, "another"u8.ToArray(), proof));
        Assert.Equal(HttpStatusCode.BadRequest, await SendAsync(request, "another"u8.ToArray(), proof));

        Assert.Null((await document.ReadAsync(Patience.Token)).Text);
    }

    [Fact]
    public async Task Put_NonceThatIsOverOrOfAnotherGateway_IsRefused()
    {
        RequestToProve request = await PutAsync();
        await using TestGateway other = await TestGateway.StartAsync(document, Key);

        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(request, Body, to: other));
        time.Advance(Nonces.Lifetime + TimeSpan.FromSeconds(1));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(request, Body));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(request with { Nonce = new string('0', request.Nonce.Length) }, Body));

        Assert.Equal(HttpStatusCode.NoContent, await SendAsync(await PutAsync(), Body));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Put_LongerThanADocument_IsRefused(bool chunked)
    {
        byte[] body = new byte[StoredDocument.MaxBytes + 1];
        RequestToProve request = await PutAsync(body);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await SendAsync(request, body, chunked: chunked));

        Assert.Null((await document.ReadAsync(Patience.Token)).Text);
    }

    [Fact]
    public async Task Put_NoText_IsRefused()
    {
        byte[] body = [0xff, 0xfe];
        Assert.Equal(HttpStatusCode.BadRequest, await SendAsync(await PutAsync(body), body));
    }

    [Fact]
    public async Task Get_OfAWebPage_IsRefused()
    {
        RequestToProve request = (await PutAsync()) with { Method = "GET", Revision = string.Empty, BodyDigest = MembershipProof.DigestOf([]) };
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(request, [], origin: "http://example.org"));
        Assert.Equal(HttpStatusCode.NoContent, await SendAsync(request, []));
    }

    [Fact]
    public async Task Get_OverTlsWithTheKeyAndNoCertificate_IsRefused()
    {
        using var authority = new TestAuthority();
        await using TestGateway secure = await TestGateway.StartAsync(document, Key, authority.Certificate("localhost"));
        using var handler = new SocketsHttpHandler();
        handler.SslOptions.RemoteCertificateValidationCallback = (_, _, _, errors) => !errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable);
        using var client = new HttpClient(handler);
        using HttpResponseMessage answer = await client.GetAsync(new Uri(secure.Address, MembershipEndpoint.Path), Patience.Token);

        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Contains("shows no certificate", await answer.Content.ReadAsStringAsync(Patience.Token), StringComparison.Ordinal);
    }

    /// <summary>What a silo would prove to write a first document.</summary>
    private async Task<RequestToProve> PutAsync(byte[]? body = null)
    {
        using HttpResponseMessage answer = await http.GetAsync(new Uri(gateway!.Address, MembershipEndpoint.Path), Patience.Token);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        return new RequestToProve(
            "PUT", (await document.ReadAsync(Patience.Token)).Revision, "1", answer.Headers.GetValues(MembershipProof.Nonce).Single(),
            MembershipProof.NewChallenge(), MembershipProof.DigestOf(body ?? Body));
    }

    private async Task<HttpStatusCode> SendAsync(
        RequestToProve request, byte[] body, string? proof = null, TestGateway? to = null, bool chunked = false, string? origin = null)
    {
        using var message = new HttpRequestMessage(new HttpMethod(request.Method), new Uri((to ?? gateway)!.Address, MembershipEndpoint.Path));
        if (request.Method == "PUT") message.Content = new ByteArrayContent(body);
        message.Headers.TransferEncodingChunked = chunked;
        message.Headers.ExpectContinue = body.Length > StoredDocument.MaxBytes;
        message.Headers.TryAddWithoutValidation("If-Match", $"\"{request.Revision}\"");
        message.Headers.TryAddWithoutValidation(MembershipProof.WriteId, request.WriteId);
        message.Headers.TryAddWithoutValidation(MembershipProof.Nonce, request.Nonce);
        message.Headers.TryAddWithoutValidation(MembershipProof.Challenge, request.Challenge);
        message.Headers.TryAddWithoutValidation(MembershipProof.Digest, request.BodyDigest);
        message.Headers.TryAddWithoutValidation(MembershipProof.Proof, proof ?? MembershipProof.OfRequest(Key, request));
        if (origin is not null) message.Headers.TryAddWithoutValidation("Origin", origin);
        using HttpResponseMessage answer = await http.SendAsync(message, Patience.Token);
        return answer.StatusCode;
    }
}
