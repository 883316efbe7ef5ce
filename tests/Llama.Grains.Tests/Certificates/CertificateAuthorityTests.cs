using System.Security.Cryptography.X509Certificates;
using Llama.Grains.Certificates;
using Llama.Tests;

namespace Llama.Grains.Tests.Certificates;

public sealed class CertificateAuthorityTests
{
    [Theory]
    [InlineData("machine-2", "machine-2", "localhost", "127.0.0.1", "::1")]
    [InlineData("10.0.0.7", "10.0.0.7", "localhost", "127.0.0.1", "::1")]
    [InlineData("localhost", "localhost", "127.0.0.1")]
    public void Issue_Name_CertificateIsForItAndForTheMachineItself(string name, params string[] hosts)
    {
        using var authority = new TestAuthority();

        ProcessCertificate certificate = authority.Certificate(name);

        Assert.All(hosts, host => Assert.True(certificate.IsFor(host), host));
        Assert.False(certificate.IsFor("machine-3"));
        Assert.False(certificate.IsFor("10.0.0.8"));
    }

    [Fact]
    public void Issue_Twice_FromOneAuthorityAndNothingIsOverwritten()
    {
        using var authority = new TestAuthority();
        string first = authority.Issue("a");
        string second = authority.Issue("b");
        byte[] key = File.ReadAllBytes(Path.Combine(first, "node.key"));

        Assert.Equal(File.ReadAllText(Path.Combine(first, "ca.pem")), File.ReadAllText(Path.Combine(second, "ca.pem")));
        Assert.Throws<IOException>(() => CertificateAuthority.Open(authority.Authority, "x", TimeProvider.System).Issue(first, "a"));
        Assert.Equal(key, File.ReadAllBytes(Path.Combine(first, "node.key")));
    }

    [Fact]
    public void Open_KeyWithoutCertificate_IsNotOverwritten()
    {
        using var folder = new TemporaryFolder();
        string key = folder.Write(CertificateAuthority.KeyFile, "the only copy");

        Assert.Throws<IOException>(() => CertificateAuthority.Open(folder.Path, "x", TimeProvider.System));

        Assert.Equal("the only copy", File.ReadAllText(key));
    }

    [Fact]
    public void Issue_Keys_BelongToTheOwnerOnly()
    {
        using var authority = new TestAuthority();
        string[] keys = [Path.Combine(authority.Issue("a"), "node.key"), Path.Combine(authority.Authority, "ca.key")];
        if (OperatingSystem.IsWindows()) Assert.Skip("Windows has other permissions");
        else foreach (string key in keys) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(key));
    }

    [Fact]
    public void Issue_NearTheEndOfTheAuthority_EndsWithIt()
    {
        using var authority = new TestAuthority();
        var old = new ManualTime();
        authority.Issue("a", old);
        old.Advance(TimeSpan.FromDays(3600));

        using X509Certificate2 late = X509CertificateLoader.LoadCertificateFromFile(Path.Combine(authority.Issue("b", old), "node.pem"));
        using X509Certificate2 ca = X509CertificateLoader.LoadCertificateFromFile(Path.Combine(authority.Authority, "ca.pem"));

        Assert.Equal(ca.NotAfter, late.NotAfter);
    }
}
