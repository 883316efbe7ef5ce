using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Llama.Grains.Certificates;

/// <summary>
/// The folder that <c>--tls</c> names: three PEM files (RFC 7468) with the authorities that are trusted, this process's certificate, and
/// its private key. They are read when the process starts.
/// </summary>
public static class CertificateFolder
{
    /// <summary>The authorities' certificates.</summary>
    public const string Authorities = "ca.pem";

    /// <summary>The process's certificate, and behind it those between it and an authority's, if any.</summary>
    public const string Certificate = "node.pem";

    /// <summary>The private key of the certificate, PKCS#8, not encrypted.</summary>
    public const string Key = "node.key";

    private const string KeyLabel = "PRIVATE KEY";
    private const int MaxFileBytes = 1 << 20;

    /// <summary>Reads a folder.</summary>
    /// <param name="folder">The folder; null for a process without TLS, which gives null.</param>
    /// <exception cref="InvalidDataException">
    /// A file is missing or is not what it should be, or the certificate cannot be used with this key, now, or under these authorities; the
    /// message names the file, what was found and what was expected.
    /// </exception>
    public static ProcessCertificate? Load(string? folder)
    {
        if (folder is null) return null;
        string authorityFile = Path.Combine(folder, Authorities);
        string certificateFile = Path.Combine(folder, Certificate);
        string keyFile = Path.Combine(folder, Key);
        X509Certificate2Collection authorities = ReadCertificates(authorityFile);
        X509Certificate2Collection chain = ReadCertificates(certificateFile);
        X509Certificate2 own = WithKey(chain[0], certificateFile, keyFile);
        chain.RemoveAt(0);
        var certificate = new ProcessCertificate(own, chain, authorities, authorityFile);
        return certificate.Fault(own, chain) is { } fault
            ? throw new InvalidDataException($"--tls: '{certificateFile}': the certificate {fault}")
            : certificate;
    }

    /// <summary>For the validation of an options record: what is wrong with the folder.</summary>
    /// <param name="folder">The folder, or null.</param>
    public static IEnumerable<ValidationResult> Validate(string? folder)
    {
        string? fault = null;
        try
        {
            Load(folder);
        }
        catch (InvalidDataException exception)
        {
            fault = exception.Message;
        }

        if (fault is not null) yield return new ValidationResult(fault);
    }

    private static X509Certificate2Collection ReadCertificates(string file)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(ReadText(file));
        }
        catch (CryptographicException exception)
        {
            throw new InvalidDataException($"--tls: '{file}' holds a malformed certificate: {exception.Message}", exception);
        }

        return certificates.Count > 0
            ? certificates
            : throw new InvalidDataException($"--tls: '{file}' holds no certificate; expected -----BEGIN CERTIFICATE-----");
    }

    private static X509Certificate2 WithKey(X509Certificate2 certificate, string certificateFile, string keyFile)
    {
        string key = ReadText(keyFile);
        if (!PemEncoding.TryFind(key, out PemFields fields) || key[fields.Label] != KeyLabel)
        {
            string found = fields.Label.Equals(default) ? "nothing in PEM" : $"'{key[fields.Label]}'";
            throw new InvalidDataException($"--tls: '{keyFile}' holds {found}; expected an unencrypted '{KeyLabel}' (PKCS#8)");
        }

        try
        {
            X509Certificate2 own = X509Certificate2.CreateFromPem(certificate.ExportCertificatePem(), key);

            // Windows cannot use a key in TLS that is in memory only (dotnet/runtime issue 23749).
            return OperatingSystem.IsWindows() ? X509CertificateLoader.LoadPkcs12(own.Export(X509ContentType.Pfx), null) : own;
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            throw new InvalidDataException(
                $"--tls: '{keyFile}' does not hold the private key of the certificate '{certificate.Subject}' in '{certificateFile}': "
                + exception.Message, exception);
        }
    }

    private static string ReadText(string file)
    {
        try
        {
            using FileStream stream = File.OpenRead(file);
            byte[] content = new byte[(int)Math.Min(stream.Length, MaxFileBytes) + 1];
            int length = stream.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
            return length <= MaxFileBytes
                ? Encoding.UTF8.GetString(content, 0, length)
                : throw new InvalidDataException($"--tls: '{file}' holds more than {MaxFileBytes} bytes; expected PEM text");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new InvalidDataException($"--tls: '{file}' cannot be read: {exception.Message}", exception);
        }
    }
}
