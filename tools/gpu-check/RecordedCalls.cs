using Llama.Torch.Forward;
using static TorchSharp.torch;

namespace Llama.Tools.GpuCheck;

/// <summary>Remembers what the last pass was called with, so that the call alone can be made again.</summary>
internal sealed class RecordedCalls(ILayerOperations inner) : ILayerOperations
{
    private Func<Tensor>? last;

    /// <inheritdoc/>
    public string Name => inner.Name;

    /// <inheritdoc/>
    public Tensor Run(Tensor input, Tensor? embedding, Tensor[] layers, StepRows rows, LayerShape shape, OutputRows? head)
    {
        last = () => inner.Run(input, embedding, layers, rows, shape, head);
        return last();
    }

    /// <inheritdoc/>
    public void CopyBlock(Tensor[] layers, int source, int target) => inner.CopyBlock(layers, source, target);

    /// <summary>Makes the call of the last pass again, and waits for its result.</summary>
    public void Again()
    {
        using Tensor result = last!();
        using Tensor host = result.cpu();
    }
}
