using Llama.Model.Checkpoints;
using Llama.Model.Weights;

namespace Llama.Model.Tests.Checkpoints;

/// <summary>Ways in which tests read checkpoints.</summary>
internal static unsafe class CheckpointReading
{
    public static Checkpoint Open(string folder) => Checkpoint.Open(folder, new CheckpointOptions());

    /// <summary>Opens a checkpoint that must be refused, and says how it was.</summary>
    public static string Refusal(string folder, CheckpointOptions? options = null) =>
        Assert.Throws<CheckpointException>(() => Checkpoint.Open(folder, options ?? new CheckpointOptions()).Dispose()).Message;

    /// <summary>The stored bytes of a matrix, row after row.</summary>
    public static byte[] Bytes(WeightMatrix matrix)
    {
        byte[] bytes = new byte[matrix.Bytes];
        int rowBytes = bytes.Length / matrix.Rows;
        for (int row = 0; row < matrix.Rows; row++) new ReadOnlySpan<byte>(matrix.Row(row), rowBytes).CopyTo(bytes.AsSpan(row * rowBytes));
        return bytes;
    }

    /// <summary>The names of all matrices with their rows and columns.</summary>
    public static IEnumerable<(string Name, int Rows, int Columns)> Matrices(ModelConfig config)
    {
        yield return (TensorNames.TokenEmbeddings, config.VocabSize, config.Dim);
        for (int layer = 0; layer < config.Layers; layer++)
        {
            yield return (TensorNames.Wq(layer), config.QueryDim, config.Dim);
            yield return (TensorNames.Wk(layer), config.KvDim, config.Dim);
            yield return (TensorNames.Wv(layer), config.KvDim, config.Dim);
            yield return (TensorNames.Wo(layer), config.Dim, config.QueryDim);
            yield return (TensorNames.W1(layer), config.HiddenDim, config.Dim);
            yield return (TensorNames.W2(layer), config.Dim, config.HiddenDim);
            yield return (TensorNames.W3(layer), config.HiddenDim, config.Dim);
        }

        yield return (TensorNames.Output, config.VocabSize, config.Dim);
    }

    /// <summary>The names of the matrices that may have a bias, with their rows.</summary>
    public static IEnumerable<(string Name, int Rows)> LayerMatrices(ModelConfig config) =>
        Matrices(config).Where(matrix => matrix.Name.StartsWith("layers.", StringComparison.Ordinal)).Select(matrix => (matrix.Name, matrix.Rows));

    /// <summary>The names of all norms, each of the hidden states' width.</summary>
    public static IEnumerable<string> Vectors(ModelConfig config)
    {
        for (int layer = 0; layer < config.Layers; layer++)
        {
            yield return TensorNames.AttentionNorm(layer);
            yield return TensorNames.FfnNorm(layer);
        }

        yield return TensorNames.Norm;
    }

    /// <summary>Opens every tensor and touches every byte of it.</summary>
    public static long ReadEverything(Checkpoint checkpoint)
    {
        long sum = 0;
        foreach ((string name, int rows, int columns) in Matrices(checkpoint.Config))
        {
            foreach (byte value in Bytes(checkpoint.OpenMatrix(name, rows, columns))) sum += value;
        }

        foreach ((string name, int rows) in LayerMatrices(checkpoint.Config)) sum += checkpoint.ReadBias(name, rows)?.Length ?? 0;
        foreach (string name in Vectors(checkpoint.Config)) sum += checkpoint.ReadVector(name, checkpoint.Config.Dim).Length;
        return sum;
    }
}
