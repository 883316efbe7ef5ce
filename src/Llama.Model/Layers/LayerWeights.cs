using Llama.Model.Checkpoints;
using Llama.Model.Weights;

namespace Llama.Model.Layers;

/// <summary>The weights of one layer, mapped from its checkpoint.</summary>
internal sealed class LayerWeights
{
    /// <summary>Opens a layer's tensors.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="layer">Which layer.</param>
    /// <param name="threads">Threads for what loading computes.</param>
    /// <exception cref="CheckpointException">One is missing or of another shape.</exception>
    public LayerWeights(Checkpoint checkpoint, int layer, int threads)
    {
        ModelConfig config = checkpoint.Config;
        WeightMatrix Open(string name, int rows, int columns) => checkpoint.OpenForProducts(name, rows, columns, threads);
        AttentionNorm = checkpoint.ReadVector(TensorNames.AttentionNorm(layer), config.Dim);
        FfnNorm = checkpoint.ReadVector(TensorNames.FfnNorm(layer), config.Dim);
        Wq = Open(TensorNames.Wq(layer), config.QueryDim, config.Dim);
        Wk = Open(TensorNames.Wk(layer), config.KvDim, config.Dim);
        Wv = Open(TensorNames.Wv(layer), config.KvDim, config.Dim);
        Wo = Open(TensorNames.Wo(layer), config.Dim, config.QueryDim);
        W1 = Open(TensorNames.W1(layer), config.HiddenDim, config.Dim);
        W2 = Open(TensorNames.W2(layer), config.Dim, config.HiddenDim);
        W3 = Open(TensorNames.W3(layer), config.HiddenDim, config.Dim);
    }

    /// <summary>RMSNorm before attention, <c>[dim]</c>.</summary>
    public float[] AttentionNorm { get; }

    /// <summary>RMSNorm before the feed-forward layer, <c>[dim]</c>.</summary>
    public float[] FfnNorm { get; }

    /// <summary>Queries.</summary>
    public WeightMatrix Wq { get; }

    /// <summary>Keys.</summary>
    public WeightMatrix Wk { get; }

    /// <summary>Values.</summary>
    public WeightMatrix Wv { get; }

    /// <summary>Attention output.</summary>
    public WeightMatrix Wo { get; }

    /// <summary>Feed-forward gate.</summary>
    public WeightMatrix W1 { get; }

    /// <summary>Feed-forward down.</summary>
    public WeightMatrix W2 { get; }

    /// <summary>Feed-forward up.</summary>
    public WeightMatrix W3 { get; }

    /// <summary>Bytes of all of them.</summary>
    public long Bytes =>
        Wq.Bytes + Wk.Bytes + Wv.Bytes + Wo.Bytes + W1.Bytes + W2.Bytes + W3.Bytes
        + ((AttentionNorm.Length + FfnNorm.Length) * sizeof(float));
}
