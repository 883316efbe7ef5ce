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

    /// <summary>
    /// Refuses a folder that lacks shards, where the queries of the first layer tell how many there are: they are split by rows.
    /// </summary>
    /// <param name="queryDim">Rows of the queries in all.</param>
    /// <param name="dim">Width of the hidden states.</param>
    /// <exception cref="CheckpointException">Shards are missing; the message names them.</exception>
    public void ExpectAllShards(long queryDim, int dim)
    {
        StoredTensor? queries = file.Find(TensorNames.Wq(0));
        if (queries?.Shape is not [> 0 and var rows, var columns] || columns != dim || queryDim % rows != 0) return;
        long parts = queryDim / rows;
        if (parts <= shards || parts > ShardFiles.Most) return;
        IEnumerable<string> missing = Enumerable.Range(shards, (int)parts - shards).Select(ShardFiles.NameOf);
        throw new CheckpointException(
            $"{Path.GetDirectoryName(file.Path)}: {string.Join(", ", missing)} is missing: {ShardFiles.NameOf(0)} holds "
            + $"{StoredTensor.Text(queries.Shape)} of tensor {queries.Name}, one of {parts} parts of {StoredTensor.Text(queryDim, dim)}");
    }

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
