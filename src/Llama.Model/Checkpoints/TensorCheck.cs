using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Checkpoints;

/// <summary>
/// Refuses what would give wrong text in silence: a tensor of the model that the forward pass does not use. Every file of a checkpoint
/// is checked, whichever tensors are wanted of it.
/// </summary>
/// <param name="config">The model.</param>
/// <param name="nameOf">The format's name of a tensor of <see cref="TensorNames"/>.</param>
/// <param name="isIgnored">Whether a tensor of another name changes nothing.</param>
internal sealed class TensorCheck(ModelConfig config, Func<string, string> nameOf, Func<string, bool> isIgnored)
{
    private readonly HashSet<string> known = new(
        ModelTensors.Of(config with { TiedEmbeddings = false }, 0, config.Layers, _ => true).Select(tensor => nameOf(tensor.Name)),
        StringComparer.Ordinal);

    /// <summary>Throws for the first tensor that is neither known nor ignored.</summary>
    /// <param name="file">The file that has them.</param>
    /// <param name="names">Names as the file has them.</param>
    /// <exception cref="CheckpointException">There is one; the message names it.</exception>
    public void RefuseOthers(string file, IEnumerable<string> names)
    {
        if (names.FirstOrDefault(name => !known.Contains(name) && !isIgnored(name)) is not { } other) return;
        throw new CheckpointException(
            $"{file}: found tensor {Excerpt.Of(other)}, expected only the weights of a Llama model of {config.Layers} layers "
            + "and the biases of its attention and feed-forward products");
    }
}
