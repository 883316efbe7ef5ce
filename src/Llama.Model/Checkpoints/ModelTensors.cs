namespace Llama.Model.Checkpoints;

/// <summary>A tensor that a model has.</summary>
/// <param name="Name">A name of <see cref="TensorNames"/>.</param>
/// <param name="Rows">Rows of a matrix; null for a vector.</param>
/// <param name="Columns">Elements of a row, or of the vector.</param>
internal readonly record struct ModelTensor(string Name, int? Rows, int Columns);

/// <summary>All tensors of a model.</summary>
internal static class ModelTensors
{
    /// <summary>The tensors from the embedding to the output head, which is left out where it is the embedding.</summary>
    public static IEnumerable<ModelTensor> Of(ModelConfig config) => Of(config, 0, config.Layers);

    /// <summary>The tensors that a range of layers needs: the first layer has the embedding with it, the last one the output head.</summary>
    /// <param name="config">The model.</param>
    /// <param name="firstLayer">First layer.</param>
    /// <param name="endLayer">The layer after the last.</param>
    public static IEnumerable<ModelTensor> Of(ModelConfig config, int firstLayer, int endLayer)
    {
        bool last = endLayer == config.Layers;
        if (firstLayer == 0 || (last && config.TiedEmbeddings)) yield return new(TensorNames.TokenEmbeddings, config.VocabSize, config.Dim);
        for (int layer = firstLayer; layer < endLayer; layer++)
        {
            yield return new(TensorNames.AttentionNorm(layer), null, config.Dim);
            yield return new(TensorNames.Wq(layer), config.QueryDim, config.Dim);
            yield return new(TensorNames.Wk(layer), config.KvDim, config.Dim);
            yield return new(TensorNames.Wv(layer), config.KvDim, config.Dim);
            yield return new(TensorNames.Wo(layer), config.Dim, config.QueryDim);
            yield return new(TensorNames.FfnNorm(layer), null, config.Dim);
            yield return new(TensorNames.W1(layer), config.HiddenDim, config.Dim);
            yield return new(TensorNames.W2(layer), config.Dim, config.HiddenDim);
            yield return new(TensorNames.W3(layer), config.HiddenDim, config.Dim);
        }

        if (!last) yield break;
        yield return new(TensorNames.Norm, null, config.Dim);
        if (!config.TiedEmbeddings) yield return new(TensorNames.Output, config.VocabSize, config.Dim);
    }
}
