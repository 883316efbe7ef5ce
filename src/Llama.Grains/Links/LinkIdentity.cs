using Llama.Grains.Certificates;
using Llama.Model.Checkpoints;
using Llama.Model.Weights;

namespace Llama.Grains.Links;

/// <summary>Who a process is to the others: what its handshakes carry and prove.</summary>
public sealed record LinkIdentity
{
    /// <summary>Version of the protocol between processes; equal on both sides or there is no link.</summary>
    public const int ProtocolVersion = 8;

    /// <summary>The process's name in the cluster.</summary>
    public required string Name { get; init; }

    /// <summary>Fingerprint of the model's configuration; equal on both sides or there is no link.</summary>
    public required string Fingerprint { get; init; }

    /// <summary>The model's context length in tokens; equal on both sides or there is no link.</summary>
    public required int ContextLength { get; init; }

    /// <summary>
    /// What the types of its weights are called; null for a process without weights that would tell. If both sides know, equal or there
    /// is no link.
    /// </summary>
    public string? Weights { get; init; }

    /// <summary>
    /// What the weights of each layer are called (<see cref="WeightDigests"/>); equal in every layer that both sides can read, or there is
    /// no link.
    /// </summary>
    public string LayerDigests { get; init; } = string.Empty;

    /// <summary>Type that it keeps keys and values in; equal on both sides or there is no link.</summary>
    public ElementType KvType { get; init; }

    /// <summary>The cluster key; empty when none is set, which only loopback allows.</summary>
    public ReadOnlyMemory<byte> Key { get; init; }

    /// <summary>What it shows on TLS, which all its links then use; null for links without TLS.</summary>
    public ProcessCertificate? Certificate { get; init; }

    /// <summary>A process that has a checkpoint.</summary>
    /// <param name="name">The process's name.</param>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="kvType">Type that it keeps keys and values in.</param>
    /// <param name="key">The cluster key.</param>
    public static LinkIdentity Of(string name, Checkpoint checkpoint, ElementType kvType, ReadOnlyMemory<byte> key)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        return new LinkIdentity
        {
            Name = name,
            Fingerprint = ModelFingerprint.Of(checkpoint.Config),
            ContextLength = checkpoint.Config.ContextLength,
            Weights = checkpoint.WeightName,
            LayerDigests = WeightDigests.Of(checkpoint),
            KvType = kvType,
            Key = key,
        };
    }
}

/// <summary>What a dialled link is for.</summary>
public enum LinkPurpose
{
    /// <summary>Nothing but the handshake: whether the process answers, with the right model and key, and as long as it is open, lives.</summary>
    Check,

    /// <summary>Steps into a stage.</summary>
    Steps,

    /// <summary>Results out of the last stage, to the gateway that dialled.</summary>
    Results,

    /// <summary>Signs of life of a stage's process, to the gateway that dialled.</summary>
    Heartbeat,
}

/// <summary>What a link is for: a purpose, and for links of a stage the epoch meant.</summary>
/// <param name="Purpose">The purpose.</param>
/// <param name="Epoch">The plan that the stage must have been loaded for.</param>
public sealed record LinkTarget(LinkPurpose Purpose, ulong Epoch = 0);
