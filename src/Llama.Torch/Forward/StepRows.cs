using TorchSharp;

namespace Llama.Torch.Forward;

/// <summary>
/// Where the tokens of one pass are, the same for all layers: a pass has as many rows as its shape says, and the tokens are the first of them.
/// </summary>
/// <param name="Cosines">Of the tokens' rotary angles, <c>[tokens, 1, headDim / 2]</c>, single precision.</param>
/// <param name="Sines">The sines.</param>
/// <param name="Positions">The tokens' positions, <c>[rows]</c>; 0 beyond the tokens.</param>
/// <param name="Blocks">
/// The block table of each token's sequence, <c>[tokens, blocks]</c>: as many as the longest has, others padded; or that of the one sequence of all
/// tokens, <c>[1, blocks]</c>.
/// </param>
/// <param name="TokensTogether">
/// How many tokens' keys and values are gathered at once; 0 where all tokens are of one sequence, whose keys and values are gathered once.
/// </param>
internal readonly record struct StepRows(
    torch.Tensor Cosines, torch.Tensor Sines, torch.Tensor Positions, torch.Tensor Blocks, int TokensTogether);
