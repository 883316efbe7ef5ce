using Llama.Model.Checkpoints;
using Llama.Model.Weights;

namespace Llama.Grains.Links;

/// <summary>What a process computes: this must agree in all processes of a pipeline.</summary>
public sealed record ModelIdentity
{
    /// <summary>Fingerprint of the model's configuration.</summary>
    public required string Fingerprint { get; init; }

    /// <summary>The model's context length in tokens.</summary>
    public required int ContextLength { get; init; }

    /// <summary>What the types of its weights are called; null for a process without weights that would tell, which agrees with all.</summary>
    public string? Weights { get; init; }

    /// <summary>What the weights of each layer are called (<see cref="WeightDigests"/>); layers that one side cannot read agree with all.</summary>
    public string LayerDigests { get; init; } = string.Empty;

    /// <summary>Type that keys and values are kept in.</summary>
    public ElementType KvType { get; init; }

    /// <summary>What is told of it in a handshake.</summary>
    internal ToldModel Told => new(Fingerprint, ContextLength, Weights, LayerDigests, $"{KvType}");

    /// <summary>The model of a checkpoint.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="kvType">Type that keys and values are kept in.</param>
    public static ModelIdentity Of(Checkpoint checkpoint, ElementType kvType)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        return new ModelIdentity
        {
            Fingerprint = ModelFingerprint.Of(checkpoint.Config),
            ContextLength = checkpoint.Config.ContextLength,
            Weights = checkpoint.WeightName,
            LayerDigests = WeightDigests.Of(checkpoint),
            KvType = kvType,
        };
    }

    /// <summary>What another process must change to agree; each begins so that it can follow "has".</summary>
    internal IEnumerable<string> Differences(ToldModel other)
    {
        if (other.Fingerprint != Fingerprint)
            yield return $"another model, or another --rope-factor: fingerprint {other.Fingerprint}; expected {Fingerprint}";
        if (other.ContextLength != ContextLength)
            yield return $"another --context: {other.ContextLength} tokens; expected {ContextLength}";
        if (other.Weights is not null && Weights is not null && other.Weights != Weights)
            yield return $"other weights, or another --weights: {other.Weights}; expected {Weights}";
        else if (WeightDigests.FirstDifference(other.LayerDigests, LayerDigests) is { } layer)
            yield return $"other weights of the same shape, from layer {layer} on: a fine-tune of this model, or what it was made from";
        if (other.KvType != $"{KvType}") yield return $"another --kv-type: {other.KvType}; expected {KvType}";
    }
}

/// <summary>A model as a handshake tells it; the type of keys and values may be one that this version does not know.</summary>
internal sealed record ToldModel(string Fingerprint, int ContextLength, string? Weights, string LayerDigests, string KvType);
