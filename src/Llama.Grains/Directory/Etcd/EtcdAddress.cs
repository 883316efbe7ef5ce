using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;
using Llama.Grains.Settings;

namespace Llama.Grains.Directory.Etcd;

/// <summary>Where an etcd is, as in <c>etcd://host:2379,host2:2379/prefix</c>; with TLS, <c>etcds://…</c>.</summary>
/// <param name="EndPoints">Its servers, at least one, each with a port.</param>
/// <param name="Prefix">Before every key, so that several clusters can share an etcd; ends in a slash.</param>
/// <param name="IsSecure">Whether it speaks TLS.</param>
public sealed record EtcdAddress(IReadOnlyList<HostPort> EndPoints, string Prefix, bool IsSecure)
{
    private const string PlainScheme = "etcd://";
    private const string SecureScheme = "etcds://";
    private const string DefaultPrefix = "llama";
    private const int DefaultPort = 2379;

    /// <summary>Parses an address.</summary>
    /// <exception cref="FormatException">The text is none.</exception>
    public static EtcdAddress Parse(string text) =>
        TryParse(text, out EtcdAddress? address) ? address : throw new FormatException($"'{text}' is no address of an etcd.");

    /// <summary>Parses an address; false where the text is none.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out EtcdAddress? address)
    {
        address = null;
        if (text is null) return false;
        bool secure = text.StartsWith(SecureScheme, StringComparison.OrdinalIgnoreCase);
        if (!secure && !text.StartsWith(PlainScheme, StringComparison.OrdinalIgnoreCase)) return false;
        string[] parts = text[(secure ? SecureScheme : PlainScheme).Length..].Split('/');
        if (parts.Length > 2 || (parts.Length == 2 && parts[1].Length == 0)) return false;
        var endPoints = new List<HostPort>();
        foreach (string one in parts[0].Split(','))
        {
            if (!HostPort.TryParse(one, out HostPort endPoint) || endPoint.Port == 0) return false;
            endPoints.Add(endPoint with { Port = endPoint.Port ?? DefaultPort });
        }

        address = new EtcdAddress(endPoints, $"{(parts.Length == 2 ? parts[1] : DefaultPrefix)}/", secure);
        return true;
    }

    /// <summary>For the validation of an options record: an etcd that speaks TLS asks for a certificate.</summary>
    /// <param name="directory">The option with the address, or null.</param>
    /// <param name="tls">The folder with the certificate, or null.</param>
    public static IEnumerable<ValidationResult> Validate(string? directory, string? tls)
    {
        if (tls is null && TryParse(directory, out EtcdAddress? address) && address.IsSecure)
        {
            yield return new ValidationResult(
                "speaks TLS and needs --tls, with a certificate to show there and the authority of its own",
                [nameof(ModelOptions.Directory)]);
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{(IsSecure ? SecureScheme : PlainScheme)}{string.Join(',', EndPoints)}/{Prefix[..^1]}";
}

/// <summary>The text must be an address that <see cref="EtcdAddress"/> reads.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class EtcdAddressAttribute() : ValidationAttribute("an address like etcd://node-7:2379,node-8:2379, or etcds://… for one with TLS")
{
    /// <inheritdoc/>
    public override bool IsValid(object? value) => value is null || EtcdAddress.TryParse((string)value, out _);
}
