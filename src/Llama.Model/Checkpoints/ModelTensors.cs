namespace Llama.Model.Checkpoints;

/// <summary>A tensor that a model has.</summary>
/// <param name="Name">A name of <see cref="TensorNames"/>.</param>
/// <param name="Rows">Rows of a matrix; null for a vector.</param>
/// <param name="Columns">Elements of a row, or of the vector.</param>
internal readonly record struct ModelTensor(string Name, int? Rows, int Columns);

/// <summary>All tensors of a model.</summary>
internal static class ModelTensors
{
    /// <summary>
    /// The tensors of a model without biases from the embedding to the output head, which is left out where it is the embedding.
    /// </summary>
    public static IEnumerable<ModelTensor> Of(ModelConfig config) => Of(config, 0, config.Layers, _ => false);

    /// <summary>
    /// The tensors that a range of layers needs: the first layer has the embedding with it, the last one the output head. A bias follows
    /// its matrix.
    /// </summary>
    /// <param name="config">The model.</param>
    /// <param name="firstLayer">First layer.</param>
    /// <param name="endLayer">The layer after the last.</param>
    /// <param name="hasBias">Whether the model has a bias of this name.</param>
    public static IEnumerable<ModelTensor> Of(ModelConfig config, int firstLayer, int endLayer, Func<string, bool> hasBias)
    {
        bool last = endLayer == config.Layers;
        if (firstLayer == 0 || (last && config.TiedEmbeddings)) yield return new(TensorNames.TokenEmbeddings, config.VocabSize, config.Dim);
        for (int layer = firstLayer; layer < endLayer; layer++)
        {
            foreach (ModelTensor tensor in OfLayer(config, layer))
            {
                yield return tensor;
                if (tensor.Rows is { } rows && TensorNames.Bias(tensor.Name) is var bias && hasBias(bias)) yield return new(bias, null, rows);
            }
        }

        if (!last) yield break;
        yield return new(TensorNames.Norm, null, config.Dim);
        if (!config.TiedEmbeddings) yield return new(TensorNames.Output, config.VocabSize, config.Dim);
    }

    /// <summary>Elements of all biases in the layer that has most of them.</summary>
    /// <param name="config">The model.</param>
    /// <param name="hasBias">Whether the model has a bias of this name.</param>
    public static int BiasElements(ModelConfig config, Func<string, bool> hasBias) => Enumerable.Range(0, config.Layers).Max(
        layer => OfLayer(config, layer).Sum(tensor => tensor.Rows is { } rows && hasBias(TensorNames.Bias(tensor.Name)) ? rows : 0));

    /// <summary>The norms and matrices of a layer.</summary>
    public static IEnumerable<ModelTensor> OfLayer(ModelConfig config, int layer) =>
    [
        new(TensorNames.AttentionNorm(layer), null, config.Dim),
        new(TensorNames.Wq(layer), config.QueryDim, config.Dim),
        new(TensorNames.Wk(layer), config.KvDim, config.Dim),
        new(TensorNames.Wv(layer), config.KvDim, config.Dim),
        new(TensorNames.Wo(layer), config.Dim, config.QueryDim),
        new(TensorNames.FfnNorm(layer), null, config.Dim),
        new(TensorNames.W1(layer), config.HiddenDim, config.Dim),
        new(TensorNames.W2(layer), config.Dim, config.HiddenDim),
        new(TensorNames.W3(layer), config.HiddenDim, config.Dim),
    ];
}
