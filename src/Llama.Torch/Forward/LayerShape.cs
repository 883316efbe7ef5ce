using Llama.Model;

namespace Llama.Torch.Forward;

/// <summary>The numbers of a model that its layers compute with.</summary>
/// <param name="Heads">Query heads.</param>
/// <param name="KvHeads">Key and value heads.</param>
/// <param name="HeadDim">Width of a head.</param>
/// <param name="NormEps">Added to the mean square in RMSNorm.</param>
internal readonly record struct LayerShape(int Heads, int KvHeads, int HeadDim, double NormEps)
{
    /// <summary>Those of a model.</summary>
    public static LayerShape Of(ModelConfig config) => new(config.Heads, config.KvHeads, config.HeadDim, config.NormEps);
}
