using Llama.Grains.Certificates;

namespace Llama.Grains.Membership;

/// <summary>What a process shows to a membership store. It is no part of the configuration, and is given as an object.</summary>
public sealed record MembershipSecrets
{
    /// <summary>The cluster key, which proves requests to a gateway and its answers; empty when none is set, which only loopback allows.</summary>
    public ReadOnlyMemory<byte> Key { get; init; }

    /// <summary>What is shown on TLS, and whose certificates are accepted; null without TLS.</summary>
    public ProcessCertificate? Certificate { get; init; }

    /// <summary>User and password of etcd or Redis; null where they ask for none.</summary>
    public StoreLogin? Login { get; init; }
}
