using Llama.Model.Checkpoints;
using Llama.Model.Weights;

namespace Llama.Grains.Stages;

/// <summary>
/// What the bits of the hidden states depend on besides model and tokens. Stages of different profiles never share a pipeline.
/// </summary>
public static class NumericProfile
{
    /// <summary>Counts changes of the kernels that change their results' bits.</summary>
    private const int KernelRevision = 3;

    /// <summary>The profile of a checkpoint on this process's device: device class, kernels' revision, weight type, KV type.</summary>
    public static string Of(Checkpoint checkpoint, ElementType kvType)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        return $"cpu-{KernelRevision}/{checkpoint.WeightName ?? checkpoint.WeightType.ToString()}/{kvType}";
    }
}
