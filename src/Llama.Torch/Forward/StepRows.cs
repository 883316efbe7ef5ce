using TorchSharp;

namespace Llama.Torch.Forward;

/// <summary>
/// Where the tokens of one pass are, the same for all layers: a pass has always as many rows, and the tokens are the first of them.
/// </summary>
/// <param name="Cosines">Of the tokens' rotary angles, <c>[tokens, 1, headDim / 2]</c>, single precision.</param>
/// <param name="Sines">The sines.</param>
/// <param name="Positions">The tokens' positions, <c>[tokens]</c>.</param>
/// <param name="Blocks">The block table of each token's sequence, <c>[tokens, blocks]</c>; as many as the longest has, others padded.</param>
/// <param name="TokensTogether">How many tokens' keys and values are gathered at once.</param>
internal readonly record struct StepRows(
    torch.Tensor Cosines, torch.Tensor Sines, torch.Tensor Positions, torch.Tensor Blocks, int TokensTogether);
