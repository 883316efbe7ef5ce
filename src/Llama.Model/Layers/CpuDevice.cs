using Llama.Model.Checkpoints;
using Llama.Model.KeyValueCache;
using Llama.Model.Kernels;
using Llama.Model.Machine;
using Llama.Model.Weights;

namespace Llama.Model.Layers;

/// <summary>The processor as a device.</summary>
/// <param name="threads">Compute threads, at least 1.</param>
/// <param name="cores">Cores that the threads are pinned to, in order, at least one for each; null to pin none.</param>
public sealed class CpuDevice(int threads, IReadOnlyList<int>? cores = null) : IDevice
{
    /// <summary>Counts changes of the kernels that change their results' bits.</summary>
    private const int KernelRevision = 3;

    /// <inheritdoc/>
    public DeviceOffer Offer(Checkpoint checkpoint, ElementType kvType)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ModelConfig config = checkpoint.Config;
        return new DeviceOffer
        {
            // Device class, kernels' revision, weight type, KV type.
            Profile = $"cpu-{KernelRevision}/{checkpoint.WeightName ?? checkpoint.WeightType.ToString()}/{kvType}",
            WeightElementBytes = (double)checkpoint.WeightType.BlockBytes() / checkpoint.WeightType.BlockElements(),
            Threads = threads,
            MemoryBytes = MachineMemory.Limit,
            MemoryName = MachineMemory.Name,
            KvBlockBytes = KvCache.BlockBytes(config, kvType),
            LogBlockBytes = HiddenStateLog.BlockBytes(config.Dim),
            ActivationBytes = CpuBuffers.Bytes(config),
        };
    }

    /// <inheritdoc/>
    public Task<MachineRates> MeasureAsync() => MachineRates.MeasureQuicklyAsync(threads, cores);

    /// <inheritdoc/>
    public ILayerRange Load(
        Checkpoint checkpoint, int firstLayer, int endLayer, ElementType kvType, int kvBlocks, IReadOnlyList<int> logs) =>
        CpuLayerRange.Load(checkpoint, firstLayer, endLayer, kvType, kvBlocks, threads, cores, logs);
}
