using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Weights;

namespace Llama.Tool;

/// <summary>The progress of a GGUF file that is written: number, name, type and shape of the tensor that it is at.</summary>
/// <param name="wanted">The type that was asked for; a matrix that has another is said to have rows that it does not divide.</param>
/// <param name="progress">Told of it.</param>
internal sealed class TensorProgress(ElementType wanted, IProgress<WorkProgress> progress) : IProgress<GgufProgress>
{
    /// <inheritdoc/>
    public void Report(GgufProgress value)
    {
        GgufTensor tensor = value.Tensor;
        string note = tensor.Shape.Count > 1 && tensor.Type != wanted ? $" (rows of {tensor.Shape[^1]} are no {wanted} blocks)" : "";
        string item = $"[{value.Number}/{value.Count}] {tensor.Name} {tensor.Type} {string.Join(" × ", tensor.Shape)}{note}";
        progress.Report(new(item, value.Done, value.Total));
    }
}
