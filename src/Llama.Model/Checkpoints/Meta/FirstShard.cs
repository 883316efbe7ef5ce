using Llama.Model.Checkpoints.Files;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints.Meta;

/// <summary>What the first of Meta's weight files tells beyond <c>params.json</c>.</summary>
/// <param name="file">The file.</param>
/// <param name="shards">How many shards there are.</param>
internal sealed class FirstShard(TorchFile file, int shards)
{
    private readonly StoredTensor embeddings = file.Find(TensorNames.TokenEmbeddings)
        ?? throw new CheckpointException($"{file.Path}: tensor {TensorNames.TokenEmbeddings} is missing");

    /// <summary>Whether the output head is the embedding.</summary>
    public bool Tied => file.Find(TensorNames.Output) is null;

    /// <summary>How the weights are stored.</summary>
    public ElementType WeightType => embeddings.Type;

    /// <summary>Rows of the embedding, which is split by columns (Llama 1 and 2) or by rows (Llama 3).</summary>
    /// <param name="dim">Width of the hidden states.</param>
    /// <exception cref="CheckpointException">The embedding fits neither.</exception>
    public int VocabSize(int dim)
    {
        long? rows = embeddings.Shape switch
        {
            [var all, var columns] when columns * shards == dim => all,
            [var part, var columns] when columns == dim && part <= ConfigLimits.VocabSize => part * shards,
            _ => null,
        };
        return rows is > 0 and <= ConfigLimits.VocabSize
            ? (int)rows
            : throw new CheckpointException(
                $"{file.Path}: tensor {TensorNames.TokenEmbeddings}: found {StoredTensor.Text(embeddings.Shape)} "
                + $"in each of {shards} shards, expected [tokens, {dim}] in all, split by rows or columns");
    }
}
