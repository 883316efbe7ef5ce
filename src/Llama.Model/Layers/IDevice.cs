using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.Weights;

namespace Llama.Model.Layers;

/// <summary>
/// A device that holds layer ranges: the other half of the compute seam. A backend is a class of devices and one of ranges; nothing else
/// names it.
/// </summary>
public interface IDevice
{
    /// <summary>Says beforehand what ranges of a model need here, and what they compute.</summary>
    /// <param name="checkpoint">The model.</param>
    /// <param name="kvType">Type that keys and values are kept in, one of <see cref="KeyValueCache.KvTypes.All"/>.</param>
    DeviceOffer Offer(Checkpoint checkpoint, ElementType kvType);

    /// <summary>Measures how fast it is.</summary>
    Task<MachineRates> MeasureAsync();

    /// <summary>Loads the layers <c>[firstLayer, endLayer)</c> and makes their KV pools.</summary>
    /// <param name="checkpoint">Stays open, and is used by nobody else, until the range is disposed of.</param>
    /// <param name="firstLayer">First layer.</param>
    /// <param name="endLayer">The layer after the last.</param>
    /// <param name="kvType">Type that keys and values are kept in, one of <see cref="KeyValueCache.KvTypes.All"/>.</param>
    /// <param name="kvBlocks">Blocks of 16 positions in every layer's pool.</param>
    /// <param name="logs">
    /// Layers after the first, up to the one after the last if the model has that, for which it keeps the hidden states that go into them.
    /// </param>
    /// <exception cref="CheckpointException">A tensor is missing or wrong, or the model's heads cannot be kept in the KV type.</exception>
    /// <exception cref="IOException">The device, or a part of it, cannot be used.</exception>
    ILayerRange Load(Checkpoint checkpoint, int firstLayer, int endLayer, ElementType kvType, int kvBlocks, IReadOnlyList<int> logs);
}

/// <summary>What a device has, and what a range of one model needs of it beside its weights.</summary>
public sealed record DeviceOffer
{
    /// <summary>
    /// What the bits of the hidden states depend on besides model and tokens. Stages of different profiles never share a pipeline.
    /// </summary>
    public required string Profile { get; init; }

    /// <summary>
    /// Whether the bits at a position also depend on the shapes that it and the positions before it were computed in (<see cref="Step.ShapeOf"/>).
    /// A scheduler records them then, and repeats them where something must be computed again.
    /// </summary>
    public bool RepeatsShapes { get; init; }

    /// <summary>Bytes that an element of the model's matrices takes here, which may be more than where it is stored.</summary>
    public required double WeightElementBytes { get; init; }

    /// <summary>Compute threads.</summary>
    public required int Threads { get; init; }

    /// <summary>Bytes of memory that ranges may take at most.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Names the memory: devices that name the same one share it.</summary>
    public required string MemoryName { get; init; }

    /// <summary>Bytes of KV that a block of 16 positions takes in one layer.</summary>
    public required long KvBlockBytes { get; init; }

    /// <summary>Bytes that one KV block takes in a log of hidden states.</summary>
    public required long LogBlockBytes { get; init; }

    /// <summary>Bytes of the intermediate results of the largest step.</summary>
    public required long ActivationBytes { get; init; }
}
