namespace Llama.Grains.Certificates;

/// <summary>By what a process shows that it belongs to the cluster.</summary>
public sealed record ClusterCredentials
{
    /// <summary>The cluster key; empty when none is set, which only loopback allows.</summary>
    public ReadOnlyMemory<byte> Key { get; init; }

    /// <summary>What it shows on TLS, which all its connections then use; null for connections without TLS.</summary>
    public ProcessCertificate? Certificate { get; init; }
}
