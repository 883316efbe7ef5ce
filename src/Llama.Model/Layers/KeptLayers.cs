using Llama.Model.KeyValueCache;

namespace Llama.Model.Layers;

/// <summary>What a range leaves to the one that takes its place; its holder owns it.</summary>
/// <param name="Cache">The pools of the other's layers, with the blocks of those that both have.</param>
/// <param name="Layers">The weights of the layers that both have, by number.</param>
/// <param name="Output">The output matrix, if both have it.</param>
internal sealed record KeptLayers(KvCache Cache, IReadOnlyDictionary<int, LayerWeights> Layers, ProductMatrix? Output)
{
    /// <summary>All matrices.</summary>
    public IEnumerable<ProductMatrix> Matrices =>
        Layers.Values.SelectMany(weights => weights.Matrices).Concat(Output is null ? [] : [Output]);
}
