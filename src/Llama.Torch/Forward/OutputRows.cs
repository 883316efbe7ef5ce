using TorchSharp;

namespace Llama.Torch.Forward;

/// <summary>The output head, and the rows that it is applied to.</summary>
/// <param name="Norm">Weights of the last RMSNorm, <c>[dim]</c>.</param>
/// <param name="Output">The output matrix, <c>[vocabSize, dim]</c>.</param>
/// <param name="Sampled">Which rows, padded to always as many; their logits are the first.</param>
internal readonly record struct OutputRows(torch.Tensor Norm, torch.Tensor Output, torch.Tensor Sampled);
