using System.Runtime.InteropServices;
using Llama.Model;
using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Weights;
using Llama.Torch.Forward;

namespace Llama.Torch;

/// <summary>A layer range in libtorch, on a processor or a GPU.</summary>
public sealed class TorchLayerRange : QueuedLayerRange
{
    private readonly TorchForward forward;
    private readonly Source source;

    private TorchLayerRange(TorchForward forward, IEnumerable<(int Layer, HiddenStateLog? Kept)> logs, Source source)
        : base(source.Checkpoint.Config, forward, logs, source.Place.MaxStepTokens)
    {
        this.forward = forward;
        this.source = source;
    }

    /// <summary>Loads the layers <c>[firstLayer, endLayer)</c>; see <see cref="IDevice.Load"/>.</summary>
    /// <exception cref="CheckpointException">A tensor is missing or wrong, or keys and values cannot be kept in the type.</exception>
    /// <exception cref="IOException">The device cannot hold it.</exception>
    internal static TorchLayerRange Load(
        Checkpoint checkpoint, Place place, int firstLayer, int endLayer, ElementType kvType, int kvBlocks, IReadOnlyList<int> logs)
    {
        CheckRange(checkpoint.Config, firstLayer, endLayer, kvBlocks);
        IEnumerable<(int, HiddenStateLog?)> layers =
            CheckLogs(checkpoint.Config, firstLayer, endLayer, logs).Select(layer => (layer, (HiddenStateLog?)null));
        return Load(new Source(checkpoint, kvType, place), firstLayer, endLayer, kvBlocks, null, layers, null);
    }

    /// <inheritdoc/>
    private protected override ILayerRange Continue(
        int firstLayer, int endLayer, int kvBlocks, IEnumerable<(int Layer, HiddenStateLog? Kept)> logs, IReadOnlyList<int>? carried) =>
        Load(source, firstLayer, endLayer, kvBlocks, forward.Tensors, logs, carried);

    private static TorchLayerRange Load(
        Source source, int firstLayer, int endLayer, int kvBlocks, RangeTensors? before, IEnumerable<(int Layer, HiddenStateLog? Kept)> logs,
        IReadOnlyList<int>? carried)
    {
        Place place = source.Place;
        ModelConfig config = source.Checkpoint.Config;
        TorchForward forward;
        try
        {
            RangeTensors tensors = RangeTensors.Load(source.Checkpoint, place, firstLayer, endLayer, source.KvType, kvBlocks, before, carried);
            forward = new TorchForward(config, tensors, place);
        }
        catch (ExternalException e)
        {
            throw new IOException(
                $"{place.Device} cannot hold layers {firstLayer} to {endLayer} with {kvBlocks} KV blocks; give the silo less with --memory, or"
                + $" more silos: {e.Message.Split('\n')[0]}", e);
        }

        var range = new TorchLayerRange(forward, logs, source);
        range.Start(place.EnterThread);
        return range;
    }

    /// <summary>What a range is loaded from, and where to.</summary>
    private sealed record Source(Checkpoint Checkpoint, ElementType KvType, Place Place);
}
