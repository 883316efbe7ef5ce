using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Llama.Grains.Certificates;

/// <summary>
/// The certificate that a process shows on every TLS connection, and the authorities whose certificates it accepts: these only, none of the
/// system's. A process with a certificate of the authority is a member, so the authority must be the cluster's own.
/// </summary>
public sealed class ProcessCertificate
{
    /// <summary>TLS 1.3 (RFC 8446) is taken where both sides have it; no platform lacks 1.2.</summary>
    private const SslProtocols Protocols = SslProtocols.Tls13 | SslProtocols.Tls12;

    private static readonly Oid ServerUse = new("1.3.6.1.5.5.7.3.1");
    private static readonly Oid ClientUse = new("1.3.6.1.5.5.7.3.2");

    private readonly X509Certificate2Collection authorities;
    private readonly string authorityFile;
    private readonly SslStreamCertificateContext shown;
    private readonly X509Certificate2 own;

    /// <summary>A process that shows a certificate and trusts authorities.</summary>
    /// <param name="certificate">Its own, with its private key.</param>
    /// <param name="chain">Certificates between its own and an authority's; they are sent along.</param>
    /// <param name="authorities">The authorities.</param>
    /// <param name="authorityFile">Where they were read from, for messages.</param>
    internal ProcessCertificate(
        X509Certificate2 certificate, X509Certificate2Collection chain, X509Certificate2Collection authorities, string authorityFile)
    {
        own = certificate;
        this.authorities = authorities;
        this.authorityFile = authorityFile;

        // Clients are told whose certificates count, so that a browser with others does not ask its user for one.
        var trust = SslCertificateTrust.CreateForX509Collection(authorities, sendTrustInHandshake: !OperatingSystem.IsWindows());
        shown = SslStreamCertificateContext.Create(certificate, chain, offline: true, trust);
        using var whole = new X509Chain { ChainPolicy = Policy() };
        whole.ChainPolicy.ExtraStore.AddRange(chain);
        whole.Build(certificate);
        AuthorityId = IdOf(whole.ChainElements[^1].Certificate);
    }

    /// <summary>Names the authority that its own certificate hangs on: a hash of the authority's public key.</summary>
    public string AuthorityId { get; }

    /// <summary>Whether the certificate is for a host (RFC 9525), by name or by address.</summary>
    public bool IsFor(string host) => own.MatchesHostname(host);

    /// <summary>Whether certificates of an authority are accepted.</summary>
    /// <param name="authorityId">The authority; see <see cref="AuthorityId"/>.</param>
    public bool Trusts(string authorityId) => authorities.Any(authority => IdOf(authority) == authorityId);

    /// <summary>Options of the side that dials.</summary>
    /// <param name="checkName">
    /// Whether the certificate must be for the host that was dialled (RFC 9525). On links it need not: members are reached by addresses
    /// that they announce themselves, and any member is as good as another.
    /// </param>
    /// <param name="refused">Told why the other side's certificate is refused, before the handshake fails.</param>
    public SslClientAuthenticationOptions ForDialler(bool checkName, Action<string> refused) => new()
    {
        EnabledSslProtocols = Protocols,
        ClientCertificateContext = shown,
        CertificateChainPolicy = Policy(),
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        AllowTlsResume = false,
        RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            Accept(certificate, chain, checkName ? errors : errors & ~SslPolicyErrors.RemoteCertificateNameMismatch, refused),
    };

    /// <summary>Options of the side that was dialled.</summary>
    /// <param name="demand">Whether the other side must show a certificate; one that it shows must be good in any case.</param>
    /// <param name="refused">Told why the other side's certificate is refused, before the handshake fails.</param>
    public SslServerAuthenticationOptions ForListener(bool demand, Action<string> refused) => new()
    {
        EnabledSslProtocols = Protocols,
        ServerCertificateContext = shown,
        ClientCertificateRequired = true,
        CertificateChainPolicy = Policy(),
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        AllowTlsResume = false,
        RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            (certificate is null && !demand) || Accept(certificate, chain, errors, refused),
    };

    /// <summary>What is wrong with a certificate that a process is to show to both sides of a link; null for a good one.</summary>
    internal string? Fault(X509Certificate2 certificate, X509Certificate2Collection between)
    {
        using var chain = new X509Chain { ChainPolicy = Policy() };
        chain.ChainPolicy.ApplicationPolicy.Add(ServerUse);
        chain.ChainPolicy.ApplicationPolicy.Add(ClientUse);
        chain.ChainPolicy.ExtraStore.AddRange(between);
        return chain.Build(certificate) ? null : Describe(certificate, chain);
    }

    private bool Accept(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors, Action<string> refused)
    {
        if (errors == SslPolicyErrors.None) return true;
        if (certificate is not X509Certificate2 shownByOther)
            refused("it shows no certificate");
        else if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors) && chain is not null)
            refused($"its certificate {Describe(shownByOther, chain)}");
        else
            refused($"its certificate {Name(shownByOther)} is for {string.Join(", ", NamesIn(shownByOther))} and not for the host dialled");
        return false;
    }

    private X509ChainPolicy Policy()
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(authorities);
        return policy;
    }

    /// <summary>Why a chain could not be built, as what is said of the certificate at its end.</summary>
    private string Describe(X509Certificate2 certificate, X509Chain chain)
    {
        X509ChainStatusFlags all = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (sum, one) => sum | one.Status);
        if ((all & (X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.NotSignatureValid)) != 0)
        {
            return $"{Name(certificate)} is not signed by an authority in '{authorityFile}': found issuer '{certificate.Issuer}'; "
                + $"expected {string.Join(" or ", authorities.Select(one => $"'{one.Subject}'"))} and its signature";
        }

        if (all.HasFlag(X509ChainStatusFlags.NotTimeValid))
        {
            X509Certificate2 late = chain.ChainElements.First(
                element => element.ChainElementStatus.Any(status => status.Status == X509ChainStatusFlags.NotTimeValid)).Certificate;
            string whose = late.Equals(certificate) ? Name(certificate) : $"{Name(certificate)} hangs on {Name(late)}, which";
            return $"{whose} is valid from {late.NotBefore.ToUniversalTime():u} to {late.NotAfter.ToUniversalTime():u}; "
                + $"it is now {DateTime.UtcNow:u}";
        }

        return all.HasFlag(X509ChainStatusFlags.NotValidForUsage)
            ? $"{Name(certificate)} may not be used so; expected one for TLS servers and clients"
            : $"{Name(certificate)} cannot be used: {all}";
    }

    private static string IdOf(X509Certificate2 authority) =>
        Convert.ToHexString(SHA256.HashData(authority.PublicKey.ExportSubjectPublicKeyInfo()));

    private static string Name(X509Certificate2 certificate) => $"'{certificate.Subject}'";

    private static IEnumerable<string> NamesIn(X509Certificate2 certificate)
    {
        X509SubjectAlternativeNameExtension[] names = [.. certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()];
        return names.SelectMany(one => one.EnumerateDnsNames().Concat(one.EnumerateIPAddresses().Select(address => $"{address}")));
    }
}
