namespace Llama.Grains.Gateway;

/// <summary>How a process reaches the gateway grain of its cluster.</summary>
public sealed record GatewayRoute
{
    /// <summary>The grain at present; throws while the cluster cannot be reached.</summary>
    public required Func<IGatewayGrain> Grain { get; init; }

    /// <summary>
    /// Fingerprint of the model whose tokens are submitted, so that no other model goes on with them; null to let that be unchecked. Throws
    /// while it is not known.
    /// </summary>
    public Func<string?> Fingerprint { get; init; } = () => null;

    /// <summary>Why nothing of the cluster can be reached, in a sentence; null where something can, or where that is not known.</summary>
    public Func<string?> Unreachable { get; init; } = () => null;
}
