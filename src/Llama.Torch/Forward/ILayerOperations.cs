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

    /// <summary>
    /// Runs consecutive layers: writes the tokens' keys and values into their blocks, and returns the hidden states after them,
    /// <c>[rows, dim]</c>, of which those of the tokens mean something; or with a head the logits of the rows that it names,
    /// <c>[sampled, vocabSize]</c>. Both in single precision.
    /// </summary>
    /// <param name="input">Hidden states before them, <c>[rows, dim]</c>; with an embedding the tokens, <c>[rows]</c>.</param>
    /// <param name="embedding"><c>[vocabSize, dim]</c>; null where the layers are not the model's first.</param>
    /// <param name="layers">The tensors of the layers, <see cref="LayerTensors.Count"/> each.</param>
    /// <param name="rows">Where the tokens are.</param>
    /// <param name="shape">The model's numbers.</param>
    /// <param name="head">What samples; null where the layers are not the model's last, or nothing does.</param>
    torch.Tensor Run(
        torch.Tensor input, torch.Tensor? embedding, torch.Tensor[] layers, StepRows rows, LayerShape shape, OutputRows? head);

    /// <summary>Copies a KV block within every pool of some layers.</summary>
    /// <param name="layers">The tensors of the layers.</param>
    /// <param name="source">The block that is read.</param>
    /// <param name="target">The block that is overwritten.</param>
    void CopyBlock(torch.Tensor[] layers, int source, int target);
}
