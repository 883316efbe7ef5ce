using Llama.Model.Checkpoints;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Weights;

/// <summary>
/// Types that the matrices of a model are rounded to: one for all, or a mix that llama.cpp names, which gives more bits to the matrices
/// that most depends on (llama-quant.cpp, <c>llama_tensor_get_type</c>). Rows that a type does not divide fall back
/// (<see cref="Checkpoints.Gguf.GgufLayout.TypeFor"/>).
/// </summary>
/// <param name="Name">As options name it, in upper case.</param>
/// <param name="Type">The type of most matrices.</param>
/// <param name="IsMixed">Whether some have another.</param>
public readonly record struct WeightMix(string Name, ElementType Type, bool IsMixed)
{
    private const int LayersOfLlama70B = 80;

    /// <summary>Four bits for most, six for the output head and for some layers' values and down projections.</summary>
    public static WeightMix MediumFour { get; } = new("Q4_K_M", ElementType.Q4_K, true);

    /// <summary>The same with five bits for most.</summary>
    public static WeightMix MediumFive { get; } = new("Q5_K_M", ElementType.Q5_K, true);

    /// <summary>All that matrices can be rounded to.</summary>
    public static IReadOnlyList<WeightMix> All { get; } = [.. RowQuantizer.Types.Select(FromElementType), MediumFour, MediumFive];

    /// <summary>One type for all matrices.</summary>
    public static implicit operator WeightMix(ElementType type) => FromElementType(type);

    /// <summary>One type for all matrices.</summary>
    public static WeightMix FromElementType(ElementType type) => new($"{type}", type, false);

    /// <summary>The mix, or the type, of a name in upper or lower case.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static WeightMix Parse(string name)
    {
        foreach (WeightMix mix in All.Where(mix => mix.Name.Equals(name, StringComparison.OrdinalIgnoreCase))) return mix;
        return Enum.Parse<ElementType>(name, ignoreCase: true);
    }

    /// <summary>The type wanted for a matrix.</summary>
    /// <param name="name">A name of <see cref="TensorNames"/>; where embeddings are tied, theirs is the output head's.</param>
    /// <param name="config">The model.</param>
    public ElementType TypeOf(string name, ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(config);
        if (!IsMixed) return Type;
        if (name == TensorNames.Output || (config.TiedEmbeddings && name == TensorNames.TokenEmbeddings)) return ElementType.Q6_K;
        if (name.Split('.') is not ["layers", var number, _, ("wv" or "w2") and var part, "weight"]) return Type;
        int layer = int.Parse(number, System.Globalization.CultureInfo.InvariantCulture);
        if (GetsMoreBits(layer, config.Layers)) return ElementType.Q6_K;

        // Eight heads share each value matrix of Llama 2's and 3's 70B: more bits for it are nearly free.
        bool isShared = part == "wv" && config.Layers == LayersOfLlama70B && config.KvHeads != config.Heads;
        return isShared && Type == ElementType.Q4_K ? ElementType.Q5_K : Type;
    }

    /// <summary>The first and last eighth of the layers, and every third between.</summary>
    private static bool GetsMoreBits(int layer, int layers) => layer < layers / 8 || layer >= 7 * layers / 8 || (layer - (layers / 8)) % 3 == 2;
}
