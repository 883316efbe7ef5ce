using System.Diagnostics.CodeAnalysis;
using Llama.Grains.Settings;

namespace Llama.Grains.Membership.Etcd;

/// <summary>Where a cluster's document is in an etcd, as in <c>etcd://host:2379,host2:2379/name</c>; with TLS, <c>etcds://…</c>.</summary>
/// <param name="EndPoints">Its servers, at least one, each with a port.</param>
/// <param name="IsSecure">Whether it speaks TLS.</param>
/// <param name="Name">The cluster's name; null where none was given.</param>
internal sealed record EtcdAddress(IReadOnlyList<HostPort> EndPoints, bool IsSecure, string? Name)
{
    private const string PlainScheme = "etcd://";
    private const string SecureScheme = "etcds://";
    private const int DefaultPort = 2379;

    /// <summary>Parses an address; false where the text is none.</summary>
    /// <param name="text">The text.</param>
    /// <param name="address">The address.</param>
    /// <param name="fault">What is wrong with the text, as what is said of it.</param>
    public static bool TryParse(
        string text, [NotNullWhen(true)] out EtcdAddress? address, [NotNullWhen(false)] out string? fault)
    {
        address = null;
        bool secure = text.StartsWith(SecureScheme, StringComparison.OrdinalIgnoreCase);
        string[] parts = text[(secure ? SecureScheme : PlainScheme).Length..].Split('/');
        var endPoints = new List<HostPort>();
        foreach (string one in parts[0].Split(','))
        {
            if (!HostPort.TryParse(one, out HostPort endPoint) || endPoint.Port == 0)
            {
                fault = $"has the server '{one}'; expected host or host:port";
                return false;
            }

            endPoints.Add(endPoint with { Port = endPoint.Port ?? DefaultPort });
        }

        string? name = parts.Length > 1 && parts[1].Length > 0 ? parts[1] : null;
        fault = parts.Length > 2 ? "has more than a cluster's name after its servers" : null;
        if (fault is null) address = new EtcdAddress(endPoints, secure, name);
        return address is not null;
    }

    /// <inheritdoc/>
    public override string ToString() =>
        $"{(IsSecure ? SecureScheme : PlainScheme)}{string.Join(',', EndPoints)}{(Name is null ? string.Empty : $"/{Name}")}";
}
