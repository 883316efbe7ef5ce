using System.Security.Cryptography;
using Llama.Grains.Certificates;
using Llama.Tests;

namespace Llama.Grains.Tests.Certificates;

public sealed class CertificateFolderTests : IDisposable
{
    private readonly TestAuthority authority = new();

    public void Dispose() => authority.Dispose();

    [Fact]
    public void Load_NoFolder_IsNoCertificate() => Assert.Null(CertificateFolder.Load(null));

    [Theory]
    [InlineData("ca.pem")]
    [InlineData("node.pem")]
    [InlineData("node.key")]
    public void Load_FileMissing_IsNamed(string file)
    {
        string folder = authority.Issue("a");
        File.Delete(Path.Combine(folder, file));

        Assert.StartsWith($"--tls: '{Path.Combine(folder, file)}' cannot be read: ", Fault(folder), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ca.pem", "", "holds no certificate; expected -----BEGIN CERTIFICATE-----")]
    [InlineData("node.pem", "text", "holds no certificate; expected -----BEGIN CERTIFICATE-----")]
    [InlineData("node.pem", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----", "holds a malformed certificate")]
    [InlineData("node.key", "text", "holds nothing in PEM; expected an unencrypted 'PRIVATE KEY' (PKCS#8)")]
    [InlineData(
        "node.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----",
        "holds 'ENCRYPTED PRIVATE KEY'; expected an unencrypted 'PRIVATE KEY' (PKCS#8)")]
    [InlineData(
        "node.key", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----",
        "does not hold the private key of the certificate 'CN=a'")]
    public void Load_OtherContent_IsNamedWithWhatWasExpected(string file, string content, string message)
    {
        string folder = authority.Issue("a");
        File.WriteAllText(Path.Combine(folder, file), content);

        Assert.StartsWith($"--tls: '{Path.Combine(folder, file)}' {message}", Fault(folder), StringComparison.Ordinal);
    }

    [Fact]
    public void Load_KeyOfAnother_IsNamed()
    {
        string folder = authority.Issue("a");
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        File.WriteAllText(Path.Combine(folder, "node.key"), other.ExportPkcs8PrivateKeyPem());

        Assert.Contains("node.key' does not hold the private key of the certificate 'CN=a' in '", Fault(folder), StringComparison.Ordinal);
    }

    [Fact]
    public void Load_OtherAuthority_NamesBoth()
    {
        using var other = new TestAuthority();
        string folder = authority.Issue("a");
        File.Copy(Path.Combine(other.Issue("b"), "ca.pem"), Path.Combine(folder, "ca.pem"), overwrite: true);

        Assert.Contains(
            $"node.pem': the certificate 'CN=a' is not signed by an authority in '{Path.Combine(folder, "ca.pem")}'", Fault(folder),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Load_Expired_SaysSinceWhen()
    {
        // Made in 1970, as the clock of a test begins.
        string folder = authority.Issue("a", new ManualTime());

        Assert.Contains(
            "the certificate 'CN=a' is valid from 1970-01-01 00:00:00Z to 1972-04-05 01:00:00Z", Fault(folder), StringComparison.Ordinal);
    }

    private static string Fault(string folder)
    {
        string message = Assert.Throws<InvalidDataException>(() => { CertificateFolder.Load(folder); }).Message;
        Assert.Equal(message, Assert.Single(CertificateFolder.Validate(folder)).ErrorMessage);
        return message;
    }
}
