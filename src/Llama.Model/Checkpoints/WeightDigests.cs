using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Llama.Model.Checkpoints;

/// <summary>
/// A short name for the weights of each layer, by which two machines find out that they hold different models of one shape, a fine-tune
/// and what it was made from, say. It is made of a few rows, as they are computed with: enough to tell training runs apart, and cheap
/// where the files lie on another machine.
/// </summary>
public static class WeightDigests
{
    private const char Separator = ',';
    private const int Characters = 8;

    /// <summary>
    /// For each layer the first eight hexadecimal digits of SHA-256 over the first and last rows of the queries, values, gate and up
    /// matrices, in this order, and over the names and numbers of all biases; nothing for a layer whose tensors cannot be read here. Separated by commas.
    /// </summary>
    /// <param name="checkpoint">The checkpoint; it opens the files of all layers that are there.</param>
    public static string Of(Checkpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        return string.Join(Separator, Enumerable.Range(0, checkpoint.Config.Layers).Select(layer => OfLayer(checkpoint, layer)));
    }

    /// <summary>The first layer that both sides can read and have different weights for; null where there is none.</summary>
    /// <param name="digests">One side's, by <see cref="Of"/>.</param>
    /// <param name="others">The other side's.</param>
    public static int? FirstDifference(string digests, string others)
    {
        ArgumentNullException.ThrowIfNull(digests);
        ArgumentNullException.ThrowIfNull(others);
        string[] first = digests.Split(Separator), second = others.Split(Separator);
        for (int layer = 0; layer < Math.Min(first.Length, second.Length); layer++)
        {
            if (first[layer].Length > 0 && second[layer].Length > 0 && first[layer] != second[layer]) return layer;
        }

        return null;
    }

    private static string OfLayer(Checkpoint checkpoint, int layer)
    {
        ModelConfig config = checkpoint.Config;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        try
        {
            AddEnds(TensorNames.Wq(layer), config.Heads * config.HeadDim);
            AddEnds(TensorNames.Wv(layer), config.KvHeads * config.HeadDim);
            AddEnds(TensorNames.W1(layer), config.HiddenDim);
            AddEnds(TensorNames.W3(layer), config.HiddenDim);
            foreach (ModelTensor tensor in ModelTensors.OfLayer(config, layer))
            {
                if (tensor.Rows is not { } rows || checkpoint.ReadBias(tensor.Name, rows) is not { } bias) continue;
                hash.AppendData(Encoding.UTF8.GetBytes(tensor.Name));
                hash.AppendData(MemoryMarshal.AsBytes<float>(bias));
            }
        }
        catch (CheckpointException)
        {
            // Not on this machine, or damaged: loading the layer says so.
            return string.Empty;
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..Characters];

        void AddEnds(string name, int rows)
        {
            hash.AppendData(checkpoint.ReadRow(name, rows, config.Dim, 0));
            hash.AppendData(checkpoint.ReadRow(name, rows, config.Dim, rows - 1));
        }
    }
}
