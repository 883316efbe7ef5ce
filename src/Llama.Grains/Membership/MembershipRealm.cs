using System.Security.Cryptography;
using System.Text;
using Llama.Grains.Certificates;

namespace Llama.Grains.Membership;

/// <summary>
/// Tells which rows of a document are of this process's cluster: those of silos with its cluster key, and with certificates of an authority
/// that it trusts. Others could not be connected to, and a silo that takes part without being reachable has its peers declared dead, or is
/// declared dead by them. It guards against a wrong key in a silo's configuration; who means harm and can write to the store can do more.
/// </summary>
internal sealed class MembershipRealm
{
    private const int KeyMarkBytes = 8;

    private readonly ProcessCertificate? certificate;

    /// <summary>The realm of a process.</summary>
    /// <param name="secrets">Its key and certificate.</param>
    public MembershipRealm(MembershipSecrets secrets)
    {
        certificate = secrets.Certificate;
        string key = secrets.Key.IsEmpty
            ? string.Empty
            : Convert.ToHexString(HMACSHA256.HashData(secrets.Key.Span, Encoding.UTF8.GetBytes("membership realm")).AsSpan(0, KeyMarkBytes));
        Own = new RealmMark(key, certificate?.AuthorityId);
    }

    /// <summary>What this process's own row says.</summary>
    public RealmMark Own { get; }

    /// <summary>Whether a row is of this process's cluster.</summary>
    public bool Has(SiloRow row) =>
        row.Realm is { } other && other.Key == Own.Key
        && (certificate is null ? other.Authority is null : other.Authority is { } authority && certificate.Trusts(authority));

    /// <summary>What is different about a row that is not.</summary>
    public string Difference(SiloRow row) =>
        row.Realm?.Key != Own.Key ? "another cluster key"
        : certificate is null ? "TLS, which this process has not"
        : row.Realm.Authority is null ? "no TLS, which this process has"
        : "a certificate of an authority that this process does not trust";
}

/// <summary>What a silo's row says of its key and certificate; nobody can tell the key from it.</summary>
/// <param name="Key">Part of a keyed hash; empty for no key.</param>
/// <param name="Authority">The hash of the public key of its certificate's authority; null for no TLS.</param>
internal sealed record RealmMark(string Key, string? Authority);
