using TorchSharp;

namespace Llama.Torch.Forward;

/// <summary>
/// What a pass consists of, on any device. The residual stream, norms and rotary embedding are in single precision; products are in the
/// type of the weights, attention in that of keys and values. Results belong to the caller.
/// </summary>
internal interface ILayerOperations
{
    /// <summary>Short name, for the profile: two implementations need not round alike.</summary>
    string Name { get; }

    /// <summary>Rows of the embedding, <c>[rows, dim]</c> in single precision.</summary>
    /// <param name="embedding"><c>[vocabSize, dim]</c>.</param>
    /// <param name="tokens"><c>[rows]</c>.</param>
    torch.Tensor Embed(torch.Tensor embedding, torch.Tensor tokens);

    /// <summary>
    /// Runs consecutive layers: writes the tokens' keys and values into their blocks, and returns the hidden states after them,
    /// <c>[rows, dim]</c>, of which those of the tokens mean something.
    /// </summary>
    /// <param name="hidden">Hidden states before them, <c>[rows, dim]</c>.</param>
    /// <param name="layers">The tensors of the layers, <see cref="LayerTensors.Count"/> each.</param>
    /// <param name="rows">Where the tokens are.</param>
    /// <param name="shape">The model's numbers.</param>
    torch.Tensor Run(torch.Tensor hidden, torch.Tensor[] layers, StepRows rows, LayerShape shape);

    /// <summary>The logits of some rows, <c>[sampled, vocabSize]</c> in single precision.</summary>
    /// <param name="hidden">Hidden states after the last layer, <c>[rows, dim]</c>.</param>
    /// <param name="norm">Weights of the last RMSNorm, <c>[dim]</c>.</param>
    /// <param name="output">The output matrix, <c>[vocabSize, dim]</c>.</param>
    /// <param name="sampled">Which rows, <c>[sampled]</c>.</param>
    /// <param name="shape">The model's numbers.</param>
    torch.Tensor Logits(torch.Tensor hidden, torch.Tensor norm, torch.Tensor output, torch.Tensor sampled, LayerShape shape);

    /// <summary>Copies a KV block within every pool of some layers.</summary>
    /// <param name="layers">The tensors of the layers.</param>
    /// <param name="source">The block that is read.</param>
    /// <param name="target">The block that is overwritten.</param>
    void CopyBlock(torch.Tensor[] layers, int source, int target);
}
