using Llama.Model.Checkpoints;

namespace Llama.Model.Layers;

/// <summary>The weights of one layer.</summary>
internal sealed class LayerWeights : IDisposable
{
    /// <summary>Opens a layer's tensors.</summary>
    /// <param name="checkpoint">Has the vectors.</param>
    /// <param name="layer">Which layer.</param>
    /// <param name="openProduct">Opens a matrix by name, rows and columns, for products with a bias.</param>
    /// <exception cref="CheckpointException">One is missing or of another shape.</exception>
    public LayerWeights(Checkpoint checkpoint, int layer, Func<string, int, int, float[]?, ProductMatrix> openProduct)
    {
        ModelConfig config = checkpoint.Config;
        AttentionNorm = checkpoint.ReadVector(TensorNames.AttentionNorm(layer), config.Dim);
        FfnNorm = checkpoint.ReadVector(TensorNames.FfnNorm(layer), config.Dim);
        Wq = Open(TensorNames.Wq(layer), config.QueryDim, config.Dim);
        Wk = Open(TensorNames.Wk(layer), config.KvDim, config.Dim);
        Wv = Open(TensorNames.Wv(layer), config.KvDim, config.Dim);
        Wo = Open(TensorNames.Wo(layer), config.Dim, config.QueryDim);
        W1 = Open(TensorNames.W1(layer), config.HiddenDim, config.Dim);
        W2 = Open(TensorNames.W2(layer), config.Dim, config.HiddenDim);
        W3 = Open(TensorNames.W3(layer), config.HiddenDim, config.Dim);

        ProductMatrix Open(string name, int rows, int columns) => openProduct(name, rows, columns, checkpoint.ReadBias(name, rows));
    }

    /// <summary>RMSNorm before attention, <c>[dim]</c>.</summary>
    public float[] AttentionNorm { get; }

    /// <summary>RMSNorm before the feed-forward layer, <c>[dim]</c>.</summary>
    public float[] FfnNorm { get; }

    /// <summary>Queries.</summary>
    public ProductMatrix Wq { get; }

    /// <summary>Keys.</summary>
    public ProductMatrix Wk { get; }

    /// <summary>Values.</summary>
    public ProductMatrix Wv { get; }

    /// <summary>Attention output.</summary>
    public ProductMatrix Wo { get; }

    /// <summary>Feed-forward gate.</summary>
    public ProductMatrix W1 { get; }

    /// <summary>Feed-forward down.</summary>
    public ProductMatrix W2 { get; }

    /// <summary>Feed-forward up.</summary>
    public ProductMatrix W3 { get; }

    /// <summary>The matrices.</summary>
    public IReadOnlyList<ProductMatrix> Matrices => [Wq, Wk, Wv, Wo, W1, W2, W3];

    /// <summary>Bytes of all of them, of their biases and of the norms.</summary>
    public long Bytes =>
        Matrices.Sum(matrix => matrix.Matrix.Bytes + ((matrix.Bias?.Length ?? 0L) * sizeof(float)))
        + ((AttentionNorm.Length + FfnNorm.Length) * sizeof(float));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ProductMatrix matrix in Matrices) matrix.Dispose();
    }
}
