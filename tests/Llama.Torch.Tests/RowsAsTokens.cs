using Llama.Torch.Forward;
using TorchSharp;

namespace Llama.Torch.Tests;

/// <summary>Computes only the rows of tokens, as a backend would that cares for speed alone.</summary>
internal sealed class RowsAsTokens(ILayerOperations inner) : ILayerOperations
{
    public string Name => "rows";

    public torch.Tensor Embed(torch.Tensor embedding, torch.Tensor tokens) => inner.Embed(embedding, tokens);

    public torch.Tensor Run(torch.Tensor hidden, torch.Tensor[] layers, StepRows rows, LayerShape shape)
    {
        using torch.Tensor some = hidden.narrow(0, 0, rows.Positions.shape[0]);
        return inner.Run(some, layers, rows, shape);
    }

    public torch.Tensor Logits(torch.Tensor hidden, torch.Tensor norm, torch.Tensor output, torch.Tensor sampled, LayerShape shape) =>
        inner.Logits(hidden, norm, output, sampled, shape);

    public void CopyBlock(torch.Tensor[] layers, int source, int target) => inner.CopyBlock(layers, source, target);
}
