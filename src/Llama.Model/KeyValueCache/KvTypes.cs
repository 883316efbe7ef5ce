using Llama.Model.Checkpoints;
using Llama.Model.Weights;

namespace Llama.Model.KeyValueCache;

/// <summary>The types that keys and values are kept in (<c>--kv-type</c>).</summary>
public static class KvTypes
{
    /// <summary>The types: as computed, rounded to half precision or BF16, and rounded to bytes with a scale for 32 of them.</summary>
    public static IReadOnlyList<ElementType> All { get; } = [ElementType.F32, ElementType.F16, ElementType.BF16, ElementType.Q8_0];

    /// <summary>Throws unless the heads of a model can be kept in a type: a head is whole blocks of it.</summary>
    /// <exception cref="CheckpointException">They cannot; the message names the type, the head size and what is allowed.</exception>
    public static void Check(ElementType type, ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (!All.Contains(type)) throw new ArgumentOutOfRangeException(nameof(type), type, $"expected one of {string.Join(", ", All)}");
        if (config.HeadDim % type.BlockElements() == 0) return;
        throw new CheckpointException(
            $"--kv-type: '{NameOf(type)}' needs a head size divisible by {type.BlockElements()}; the model's is {config.HeadDim}; "
            + $"expected {string.Join(" or ", All.Where(other => config.HeadDim % other.BlockElements() == 0).Select(NameOf))}");
    }

    private static string NameOf(ElementType type) => $"{type}".ToLowerInvariant();
}
