using Llama.Model;
using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Llama.Torch.Forward;

/// <summary>The tensors of a range of layers on a device: weights and pools of keys and values.</summary>
internal sealed class RangeTensors : IDisposable
{
    private readonly SortedDictionary<int, Tensor[]> layers = [];

    private RangeTensors(int firstLayer, int endLayer, int kvBlocks)
    {
        FirstLayer = firstLayer;
        EndLayer = endLayer;
        KvBlocks = kvBlocks;
    }

    /// <summary>First layer.</summary>
    public int FirstLayer { get; }

    /// <summary>The layer after the last.</summary>
    public int EndLayer { get; }

    /// <summary>Blocks of each pool.</summary>
    public int KvBlocks { get; }

    /// <summary>The embedding, <c>[vocabSize, dim]</c>; null unless the range begins with layer 0.</summary>
    public Tensor? Embedding { get; private set; }

    /// <summary>The last RMSNorm, <c>[dim]</c>; null unless the range ends with the last layer.</summary>
    public Tensor? Norm { get; private set; }

    /// <summary>The output matrix, <c>[vocabSize, dim]</c>; null unless the range ends with the last layer. Where embeddings are tied, it may be the embedding.</summary>
    public Tensor? Output { get; private set; }

    /// <summary>Bytes of weights.</summary>
    public long WeightBytes =>
        layers.Values.Sum(layer => layer.Take(LayerTensors.Keys).Sum(tensor => tensor.Bytes()))
        + (Embedding?.Bytes() ?? 0) + (Norm?.Bytes() ?? 0) + (ReferenceEquals(Output, Embedding) ? 0 : Output?.Bytes() ?? 0);

    /// <summary>The tensors of all layers, one layer after the other.</summary>
    public Tensor[] Layers => [.. layers.Values.SelectMany(layer => layer)];

    /// <summary>Brings a range to a device.</summary>
    /// <param name="checkpoint">The model.</param>
    /// <param name="place">Where to.</param>
    /// <param name="firstLayer">First layer.</param>
    /// <param name="endLayer">The layer after the last.</param>
    /// <param name="kvType">Type that keys and values are kept in.</param>
    /// <param name="kvBlocks">Blocks of each pool.</param>
    /// <param name="before">A range that ends for this one, whose tensors go on where both have them; null when there is none.</param>
    /// <param name="carried">Its blocks that go on, in the order of their new numbers; null when the numbers stay as they are.</param>
    /// <exception cref="CheckpointException">A tensor is missing or wrong.</exception>
    public static RangeTensors Load(
        Checkpoint checkpoint, Place place, int firstLayer, int endLayer, ElementType kvType, int kvBlocks,
        RangeTensors? before = null, IReadOnlyList<int>? carried = null)
    {
        ModelConfig config = checkpoint.Config;
        var range = new RangeTensors(firstLayer, endLayer, kvBlocks);
        try
        {
            // What leaves does so first: there need not be room for both.
            if (before is not null) range.TakeFrom(before, config, carried);
            using var loader = new WeightLoader(checkpoint, place);
            if (firstLayer == 0)
                range.Embedding ??= loader.LoadMatrix(TensorNames.TokenEmbeddings, config.VocabSize, config.Dim);
            for (int layer = firstLayer; layer < endLayer; layer++)
            {
                if (range.layers.ContainsKey(layer)) continue;
                range.layers.Add(layer, loader.LoadLayer(layer));
                range.MakePools(layer, config, Place.TypeOf(kvType), place.Device);
            }

            if (endLayer != config.Layers) return range;
            range.Norm ??= loader.LoadVector(TensorNames.Norm);
            range.Output ??= config.TiedEmbeddings && range.Embedding is not null
                ? range.Embedding
                : loader.LoadMatrix(TensorNames.Output, config.VocabSize, config.Dim);
            return range;
        }
        catch
        {
            range.Dispose();
            throw;
        }
    }

    /// <summary>A whole model of random numbers whose output head is the embedding, to test a device with.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="device">Where they are.</param>
    /// <param name="type">Type of the weights.</param>
    /// <param name="kvType">Type that keys and values are kept in.</param>
    /// <param name="kvBlocks">Blocks of each pool.</param>
    public static RangeTensors MakeRandom(ModelConfig config, Device device, ScalarType type, ScalarType kvType, int kvBlocks)
    {
        var range = new RangeTensors(0, config.Layers, kvBlocks);
        try
        {
            using var generator = new Generator(1, device);
            range.Embedding = Matrix(config.VocabSize, config.Dim);
            range.Norm = ones(config.Dim, dtype: ScalarType.Float32, device: device);
            range.Output = range.Embedding;
            for (int layer = 0; layer < config.Layers; layer++)
            {
                range.layers.Add(layer,
                [
                    ones(config.Dim, dtype: ScalarType.Float32, device: device), Matrix(config.QueryDim + (2 * config.KvDim), config.Dim), None(),
                    Matrix(config.Dim, config.QueryDim), None(), ones(config.Dim, dtype: ScalarType.Float32, device: device),
                    Matrix(2 * config.HiddenDim, config.Dim), None(), Matrix(config.Dim, config.HiddenDim), None(), null!, null!,
                ]);
                range.MakePools(layer, config, kvType, device);
            }

            return range;

            Tensor Matrix(int rows, int columns) => empty(rows, columns, dtype: type, device: device).normal_(0, 1 / Math.Sqrt(columns), generator);

            Tensor None() => empty(0, dtype: ScalarType.Float32, device: device);
        }
        catch
        {
            range.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor[] layer in layers.Values) Free(layer);
        layers.Clear();
        Embedding?.Dispose();
        Norm?.Dispose();
        Output?.Dispose();
        (Embedding, Norm, Output) = (null, null, null);
    }

    private static void Free(Tensor?[] layer)
    {
        foreach (Tensor? tensor in layer) tensor?.Dispose();
    }

    private void TakeFrom(RangeTensors before, ModelConfig config, IReadOnlyList<int>? carried)
    {
        if (FirstLayer == 0) (Embedding, before.Embedding) = (before.Embedding, null);
        if (EndLayer == config.Layers)
        {
            (Norm, before.Norm) = (before.Norm, null);
            (Output, before.Output) = (before.Output, null);
        }

        // A tied matrix goes on once it is needed for either.
        if (Embedding is null && Output is not null && FirstLayer == 0 && config.TiedEmbeddings) Embedding = Output;
        if (ReferenceEquals(before.Output, Embedding)) before.Output = null;
        if (ReferenceEquals(before.Embedding, Output)) before.Embedding = null;
        foreach ((int layer, Tensor[] tensors) in before.layers.Where(layer => layer.Key >= FirstLayer && layer.Key < EndLayer).ToList())
        {
            before.layers.Remove(layer);
            layers.Add(layer, tensors);
        }

        before.Dispose();
        if (carried is null) return;
        foreach (Tensor[] tensors in layers.Values)
        {
            Carry(ref tensors[LayerTensors.Keys], carried);
            Carry(ref tensors[LayerTensors.Values], carried);
        }
    }

    private void Carry(ref Tensor pool, IReadOnlyList<int> carried)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] shape = pool.shape;
        Tensor next = zeros(KvBlocks * (long)Step.BlockTokens, shape[1], shape[2], dtype: pool.dtype, device: pool.device);
        for (int block = 0; block < carried.Count; block++)
        {
            next.narrow(0, block * (long)Step.BlockTokens, Step.BlockTokens)
                .copy_(pool.narrow(0, carried[block] * (long)Step.BlockTokens, Step.BlockTokens));
        }

        pool.Dispose();
        pool = next.MoveToOuterDisposeScope();
    }

    private void MakePools(int layer, ModelConfig config, ScalarType kvType, Device device)
    {
        Tensor[] tensors = layers[layer];
        for (int pool = LayerTensors.Keys; pool <= LayerTensors.Values; pool++)
            tensors[pool] = zeros(KvBlocks * (long)Step.BlockTokens, config.KvHeads, config.HeadDim, dtype: kvType, device: device);
    }
}
