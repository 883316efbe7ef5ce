using Llama.Model.Checkpoints.HuggingFace;
using Llama.Model.Checkpoints.Meta;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints;

/// <summary>
/// A model on disk: its configuration, read when opened, and its tensors, each mapped when asked for. Only the files that hold a
/// tensor asked for must exist. What it hands out lies in memory that it owns, valid until it is disposed of. Not thread-safe.
/// </summary>
public abstract class Checkpoint : IDisposable
{
    /// <summary>The folder that was opened.</summary>
    public required string Path { get; init; }

    /// <summary>Shape and constants of the model.</summary>
    public required ModelConfig Config { get; init; }

    /// <summary>What the files did not say and was assumed, one sentence each, to be logged once.</summary>
    public required IReadOnlyList<string> Assumptions { get; init; }

    /// <summary>How most of the weights are stored, for planning; each tensor opened says its own.</summary>
    public ElementType WeightType { get; init; }

    /// <summary>
    /// Opens the checkpoint that lies in a folder: Meta's (<c>params.json</c>, <c>consolidated.NN.pth</c>) or Hugging Face's
    /// (<c>config.json</c>, <c>model.safetensors</c> or its index). No weight file has to be there; what is there of the first one
    /// may be asked for what the configuration leaves open.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="options">What the user set over it.</param>
    /// <exception cref="CheckpointException">There is no checkpoint, or its configuration is not that of a Llama model.</exception>
    public static Checkpoint Open(string folder, CheckpointOptions options)
    {
        if (!Directory.Exists(folder)) throw new CheckpointException($"{folder}: there is no such folder; a checkpoint is a folder");
        try
        {
            return CheckpointFolder.FormatOf(folder) == CheckpointFormat.Meta
                ? MetaCheckpoint.OpenFolder(folder, options)
                : HuggingFaceCheckpoint.OpenFolder(folder, options);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{folder}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Opens a matrix in its stored type and checks its shape.</summary>
    /// <param name="name">A name of <see cref="TensorNames"/>.</param>
    /// <param name="rows">Rows that the configuration asks for.</param>
    /// <param name="columns">Columns that the configuration asks for.</param>
    /// <exception cref="CheckpointException">The tensor or its file is missing, cut off, or of another shape or type.</exception>
    public abstract WeightMatrix OpenMatrix(string name, int rows, int columns);

    /// <summary>Reads a vector as single-precision numbers and checks its length.</summary>
    /// <param name="name">A name of <see cref="TensorNames"/>.</param>
    /// <param name="length">Elements that the configuration asks for.</param>
    /// <exception cref="CheckpointException">The tensor or its file is missing, cut off, or of another shape or type.</exception>
    public abstract float[] ReadVector(string name, int length);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Unmaps the files.</summary>
    /// <param name="disposing">Whether called from <see cref="Dispose()"/>.</param>
    protected abstract void Dispose(bool disposing);
}
