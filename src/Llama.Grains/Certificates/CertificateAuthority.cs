using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Llama.Grains.Certificates;

/// <summary>
/// A small authority for one cluster, kept in a folder: it signs certificates (X.509, RFC 5280) for processes and puts each, with its key,
/// into a folder as <see cref="CertificateFolder"/> reads it. All keys are ECDSA over P-256. It never overwrites a file.
/// </summary>
public sealed class CertificateAuthority
{
    /// <summary>The authority's private key, which only this class reads: its holder can make members.</summary>
    public const string KeyFile = "ca.key";

    private static readonly TimeSpan AuthorityLife = TimeSpan.FromDays(3650);
    private static readonly TimeSpan CertificateLife = TimeSpan.FromDays(825);

    /// <summary>The clocks of machines differ.</summary>
    private static readonly TimeSpan ClockDifference = TimeSpan.FromHours(1);

    private readonly X509Certificate2 certificate;
    private readonly TimeProvider time;

    private CertificateAuthority(X509Certificate2 certificate, TimeProvider time)
    {
        this.certificate = certificate;
        this.time = time;
    }

    /// <summary>Opens the authority of a folder, which is made if there is none.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="name">What a new authority is called.</param>
    /// <param name="time">Says from when on certificates are valid.</param>
    /// <exception cref="IOException">The folder cannot be read or written.</exception>
    /// <exception cref="CryptographicException">The folder's files are no certificate and key that belong together.</exception>
    public static CertificateAuthority Open(string folder, string name, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        string certificateFile = Path.Combine(folder, CertificateFolder.Authorities);
        string keyFile = Path.Combine(folder, KeyFile);
        if (!File.Exists(certificateFile))
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            using X509Certificate2 made = SelfSigned(key, name, time.GetUtcNow());
            Directory.CreateDirectory(folder);
            WriteKey(keyFile, key);
            Write(certificateFile, made.ExportCertificatePem());
        }

        return new CertificateAuthority(X509Certificate2.CreateFromPemFile(certificateFile, keyFile), time);
    }

    /// <summary>Makes a folder with a certificate and a key for a process.</summary>
    /// <param name="folder">The folder; it must not have these files yet.</param>
    /// <param name="name">
    /// The machine's name or address. The certificate is for it and for <c>localhost</c>, so that a machine can ask itself.
    /// </param>
    /// <exception cref="IOException">The folder cannot be written, or has such a file; nothing is overwritten.</exception>
    public void Issue(string folder, string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 issued = Sign(key, name);
        Directory.CreateDirectory(folder);
        WriteKey(Path.Combine(folder, CertificateFolder.Key), key);
        Write(Path.Combine(folder, CertificateFolder.Certificate), issued.ExportCertificatePem());
        Write(Path.Combine(folder, CertificateFolder.Authorities), certificate.ExportCertificatePem());
    }

    private static X509Certificate2 SelfSigned(ECDsa key, string name, DateTimeOffset now)
    {
        var request = new CertificateRequest(Subject(name), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request.CreateSelfSigned(now - ClockDifference, now + AuthorityLife);
    }

    private X509Certificate2 Sign(ECDsa key, string name)
    {
        var request = new CertificateRequest(Subject(name), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new("1.3.6.1.5.5.7.3.1"), new("1.3.6.1.5.5.7.3.2")], false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(certificate, true, false));
        request.CertificateExtensions.Add(Names(name));

        // Nothing lasts longer than what it hangs on.
        DateTimeOffset now = time.GetUtcNow();
        DateTimeOffset end = now + CertificateLife;
        DateTimeOffset start = now - ClockDifference;
        return request.Create(
            certificate, start > certificate.NotBefore ? start : certificate.NotBefore,
            end < certificate.NotAfter ? end : certificate.NotAfter, RandomNumberGenerator.GetBytes(16));
    }

    private static X500DistinguishedName Subject(string name)
    {
        var subject = new X500DistinguishedNameBuilder();
        subject.AddCommonName(name);
        return subject.Build();
    }

    private static X509Extension Names(string name)
    {
        var names = new SubjectAlternativeNameBuilder();
        if (IPAddress.TryParse(name, out IPAddress? address)) names.AddIpAddress(address);
        else if (name != "localhost") names.AddDnsName(name);
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        names.AddIpAddress(IPAddress.IPv6Loopback);
        return names.Build();
    }

    private static void WriteKey(string file, ECDsa key) => Write(file, key.ExportPkcs8PrivateKeyPem(), secret: true);

    /// <summary>Creates a text file; a secret one can be read by its owner only, from the first moment.</summary>
    private static void Write(string file, string text, bool secret = false)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (secret && !OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var writer = new StreamWriter(file, options);
        writer.WriteLine(text);
    }
}
