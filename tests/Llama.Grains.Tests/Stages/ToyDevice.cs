using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.Layers;
using Llama.Model.Weights;

namespace Llama.Grains.Tests.Stages;

/// <summary>A device of another backend: its ranges count.</summary>
internal sealed class ToyDevice : IDevice
{
    /// <summary>The ranges that were loaded from the checkpoint, first layer and the one after the last.</summary>
    public List<(int First, int End)> Loaded { get; } = [];

    public DeviceOffer Offer(Checkpoint checkpoint, ElementType kvType) => new()
    {
        Profile = $"toy/{kvType}",
        WeightElementBytes = 4,
        Threads = 1,
        MemoryBytes = 1 << 20,
        MemoryName = "toy",
        KvBlockBytes = 64,
        LogBlockBytes = 64,
        ActivationBytes = 0,
    };

    public Task<MachineRates> MeasureAsync() => Task.FromResult(new MachineRates(1e9, 1e9));

    public ILayerRange Load(
        Checkpoint checkpoint, int firstLayer, int endLayer, ElementType kvType, int kvBlocks, IReadOnlyList<int> logs)
    {
        Loaded.Add((firstLayer, endLayer));
        return new ToyRange(firstLayer, endLayer, endLayer == checkpoint.Config.Layers);
    }
}
