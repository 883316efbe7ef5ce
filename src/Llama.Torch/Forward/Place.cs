using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Llama.Torch.Forward;

/// <summary>Where tensors are and how a pass is computed there: what a range is made with beside its weights.</summary>
/// <param name="Device">The device.</param>
/// <param name="Threads">Threads that libtorch computes with on a processor.</param>
/// <param name="Rows">Rows of a pass. A row's bits depend on how many there are, so it is one number for all, or for all of one shape.</param>
/// <param name="Operations">How a pass is computed.</param>
/// <param name="RepeatsShapes">
/// Whether parts of prompts are computed in passes of their shape's rows, so that bits depend on it: the profile <em>same steps</em>.
/// </param>
internal sealed record Place(Device Device, int Threads, int Rows, ILayerOperations Operations, bool RepeatsShapes = false)
{
    /// <summary>Most tokens of a step that is computed in passes of always as many rows.</summary>
    private const int ConstantStepTokens = 256;

    /// <summary>Bytes of keys and values that are gathered at once on a processor.</summary>
    private const long HostGatherBytes = 64L << 20;

    /// <summary>The same on a GPU.</summary>
    private const long DeviceGatherBytes = 1L << 30;

    /// <summary>Kept as long as the thread: the mode ends with it.</summary>
    [ThreadStatic]
    private static IDisposable? inference;

    /// <summary>Most tokens of a step, which is computed in passes.</summary>
    public int MaxStepTokens => RepeatsShapes ? Step.MaxTokens : ConstantStepTokens;

    /// <summary>Rows of the largest pass.</summary>
    public int MostRows => RepeatsShapes ? Step.MaxTokens : Rows;

    /// <summary>Whether its memory is the host's.</summary>
    public bool IsHost => Device.type == DeviceType.CPU;

    /// <summary>Bytes of keys and values that are gathered at once, as copies: attention has no kernel of its own that reads blocks where they lie.</summary>
    public long GatherBytes => IsHost ? HostGatherBytes : DeviceGatherBytes;

    /// <summary>Rows of the passes that compute a part of a sequence, by its shape.</summary>
    public int RowsOf(int shape) => RepeatsShapes && shape > Step.LeastShape ? shape : Rows;

    /// <summary>Waits until the device has done what it was told to.</summary>
    public void Synchronize()
    {
        if (!IsHost) cuda.synchronize(Device);
    }

    /// <summary>Prepares the calling thread, which is the only one to compute in a range.</summary>
    public void EnterThread()
    {
        if (IsHost) set_num_threads(Threads);
        inference ??= inference_mode();
    }

    /// <summary>Memory of the host that the device copies from and to fastest.</summary>
    public Tensor AllocateHost(ScalarType type, params ReadOnlySpan<long> shape)
    {
        Tensor tensor = zeros(shape.ToArray(), dtype: type, device: CPU);
        if (IsHost) return tensor;
        using (tensor) return tensor.pin_memory();
    }

    /// <summary>The type that matrices stored in a type are computed with: their own, and for types of blocks BF16.</summary>
    public static ElementType ComputedType(ElementType stored) =>
        stored is ElementType.F32 or ElementType.F16 ? stored : ElementType.BF16;

    /// <summary>libtorch's name of a type.</summary>
    /// <exception cref="CheckpointException">Keys and values cannot be kept in it here.</exception>
    public static ScalarType TypeOf(ElementType type) => type switch
    {
        ElementType.F32 => ScalarType.Float32,
        ElementType.F16 => ScalarType.Float16,
        ElementType.BF16 => ScalarType.BFloat16,
        _ => throw new CheckpointException($"--kv-type: '{type}' cannot be kept by the Torch backend; expected f32, f16 or bf16".ToLowerInvariant()),
    };
}
