using Llama.Grains.Certificates;

namespace Llama.Grains.Links;

/// <summary>Who a process is to the others.</summary>
public sealed record LinkIdentity
{
    /// <summary>The process's name in the cluster.</summary>
    public required string Name { get; init; }

    /// <summary>What it computes.</summary>
    public required ModelIdentity Model { get; init; }

    /// <summary>By what it shows that it belongs to the cluster.</summary>
    public ClusterCredentials Credentials { get; init; } = new();
}
