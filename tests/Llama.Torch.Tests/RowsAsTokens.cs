using Llama.Torch.Forward;
using TorchSharp;

namespace Llama.Torch.Tests;

/// <summary>Computes only the rows of tokens, as a backend would that cares for speed alone.</summary>
internal sealed class RowsAsTokens(ILayerOperations inner) : ILayerOperations
{
    public string Name => "rows";

    public torch.Tensor Run(
        torch.Tensor input, torch.Tensor? embedding, torch.Tensor[] layers, StepRows rows, LayerShape shape, OutputRows? head)
    {
        using torch.Tensor some = input.narrow(0, 0, rows.Cosines.shape[0]);
        return inner.Run(some, embedding, layers, rows, shape, head);
    }

    public void CopyBlock(torch.Tensor[] layers, int source, int target) => inner.CopyBlock(layers, source, target);
}
