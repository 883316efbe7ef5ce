using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Llama.Grains.Certificates;
using Llama.Grains.Tests.Links;
using Llama.Tests;

namespace Llama.Grains.Tests.Certificates;

public sealed class ProcessCertificateTests : IDisposable
{
    private readonly TestAuthority authority = new();

    public void Dispose() => authority.Dispose();

    [Theory]
    [InlineData("machine-2", "machine-2")]
    [InlineData("10.0.0.7", "10.0.0.7")]
    [InlineData("machine-2", "localhost")]
    public async Task ForDialler_NameInTheCertificate_IsAccepted(string name, string host) =>
        Assert.Null(await DialAsync(authority.Certificate("silo"), authority.Certificate(name), host));

    [Theory]
    [InlineData("machine-2", "machine-3")]
    [InlineData("10.0.0.7", "10.0.0.8")]
    public async Task ForDialler_AnotherName_IsRefusedWithThoseThatItIsFor(string name, string host) => Assert.StartsWith(
        $"its certificate 'CN={name}' is for ", await DialAsync(authority.Certificate("silo"), authority.Certificate(name), host),
        StringComparison.Ordinal);

    [Fact]
    public async Task Load_ChainOverAnIntermediate_IsSentAlong()
    {
        using var folder = new TemporaryFolder();
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var middleKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        DateTimeOffset start = DateTimeOffset.UtcNow.AddHours(-1);
        using X509Certificate2 root = Authority("root", rootKey).CreateSelfSigned(start, start.AddHours(4));
        using X509Certificate2 middle =
            Authority("middle", middleKey).Create(root, start, start.AddHours(3), [1]).CopyWithPrivateKey(middleKey);
        using X509Certificate2 leaf =
            new CertificateRequest("CN=leaf", key, HashAlgorithmName.SHA256).Create(middle, start, start.AddHours(2), [2]);
        folder.Write(CertificateFolder.Authorities, root.ExportCertificatePem());
        folder.Write(CertificateFolder.Key, key.ExportPkcs8PrivateKeyPem());
        folder.Write(CertificateFolder.Certificate, $"{leaf.ExportCertificatePem()}\n{middle.ExportCertificatePem()}");

        // The other side knows the root only.
        ProcessCertificate certificate = CertificateFolder.Load(folder.Path)!;
        Assert.Null(await DialAsync(certificate, certificate, null));

        folder.Write(CertificateFolder.Certificate, leaf.ExportCertificatePem());
        InvalidDataException fault = Assert.Throws<InvalidDataException>(() => { CertificateFolder.Load(folder.Path); });
        Assert.Contains("'CN=leaf' is not signed by an authority in ", fault.Message, StringComparison.Ordinal);
    }

    private static CertificateRequest Authority(string name, ECDsa key)
    {
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request;
    }

    /// <summary>A handshake of two processes.</summary>
    /// <param name="dialler">What one shows.</param>
    /// <param name="listener">What the other shows.</param>
    /// <param name="host">The host that was dialled; null to check no name.</param>
    /// <returns>Why the dialler refused; null when both were content.</returns>
    private static async Task<string?> DialAsync(ProcessCertificate dialler, ProcessCertificate listener, string? host)
    {
        using LinkPair link = await LinkPair.OpenAsync();
        await using var dialled = new SslStream(link.Dialler);
        await using var answered = new SslStream(link.Listener);
        string? refusal = null;
        SslClientAuthenticationOptions options = dialler.ForDialler(checkName: host is not null, reason => refusal = reason);
        options.TargetHost = host;
        Task answering = answered.AuthenticateAsServerAsync(
            listener.ForListener(demand: true, reason => Assert.Fail(reason)), Patience.Token);
        try
        {
            await dialled.AuthenticateAsClientAsync(options, Patience.Token).Soon();
        }
        catch (AuthenticationException)
        {
            Assert.NotNull(refusal);
            link.Dialler.Dispose();
            await ((Task)answering).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return refusal;
        }

        await answering.Soon();
        return null;
    }
}
