using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Weights;

namespace Llama.Tool;

/// <summary>The progress of a GGUF file that is written: number, name, type and shape of the tensor that it is at.</summary>
/// <param name="wanted">The type that was asked for; a matrix whose rows its blocks do not divide is said to have such rows.</param>
/// <param name="progress">Told of it.</param>
internal sealed class TensorProgress(WeightMix wanted, IProgress<WorkProgress> progress) : IProgress<GgufProgress>
{
    /// <inheritdoc/>
    public void Report(GgufProgress value)
    {
        GgufTensor tensor = value.Tensor;
        string note = tensor.Shape.Count > 1 && tensor.Shape[^1] % wanted.Type.BlockElements() != 0
            ? $" (rows of {tensor.Shape[^1]} are no {wanted.Type} blocks)"
            : "";
        string item = $"[{value.Number}/{value.Count}] {tensor.Name} {tensor.Type} {string.Join(" × ", tensor.Shape)}{note}";
        progress.Report(new(item, value.Done, value.Total));
    }
}
