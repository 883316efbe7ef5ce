using System.Security.Cryptography.X509Certificates;
using Llama.Grains.Certificates;
using Llama.Tests;

namespace Llama.Grains.Tests.Certificates;

/// <summary>An authority with a folder of certificates, gone when the test ends.</summary>
internal sealed class TestAuthority : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private int issued;

    /// <summary>The folder that it keeps its key in.</summary>
    public string Authority => folder["authority"];

    /// <summary>Makes a folder for <c>--tls</c>.</summary>
    /// <param name="name">Whom the certificate is for.</param>
    /// <param name="time">The time at which it is made; now, if it is not given.</param>
    public string Issue(string name, TimeProvider? time = null)
    {
        string target = folder[$"{name}-{++issued}"];
        CertificateAuthority.Open(Authority, "test authority", time ?? TimeProvider.System).Issue(target, name);
        return target;
    }

    /// <summary>A good certificate, loaded.</summary>
    public ProcessCertificate Certificate(string name) => CertificateFolder.Load(Issue(name))!;

    /// <summary>What a process would show that does not look at its own certificate.</summary>
    /// <param name="folder">Its certificate and key.</param>
    /// <param name="trusted">Whose certificates it accepts.</param>
    public static ProcessCertificate Unchecked(string folder, params TestAuthority[] trusted) => new(
        X509Certificate2.CreateFromPemFile(Path.Combine(folder, "node.pem"), Path.Combine(folder, "node.key")), [],
        [.. trusted.Select(one => X509CertificateLoader.LoadCertificateFromFile(Path.Combine(one.Authority, "ca.pem")))], "ca.pem");

    /// <inheritdoc/>
    public void Dispose() => folder.Dispose();
}
