using Llama.Model.Checkpoints.Gguf;
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
    /// <summary>The folder or file that was opened.</summary>
    public required string Path { get; init; }

    /// <summary>Shape and constants of the model.</summary>
    public required ModelConfig Config { get; init; }

    /// <summary>What the files did not say and was assumed, one sentence each, to be logged once.</summary>
    public required IReadOnlyList<string> Assumptions { get; init; }

    /// <summary>The type of most of the weights, for planning; each matrix opened says its own.</summary>
    public ElementType WeightType { get; init; }

    /// <summary>
    /// What the mix of types is called: two checkpoints of another name do not compute the same bits. Null where <see cref="WeightType"/>
    /// is only assumed, because neither the configuration nor a weight file that is there tells.
    /// </summary>
    public required string? WeightName { get; init; }

    /// <summary>
    /// Opens a GGUF file, or the checkpoint that lies in a folder: Meta's (<c>params.json</c>, <c>consolidated.NN.pth</c>) or Hugging Face's
    /// (<c>config.json</c>, <c>model.safetensors</c> or its index), or a single GGUF file or set of parts. A GGUF's first part has to be
    /// there; of the others no weight file has to, and what is there of the first one may be asked for what the configuration leaves open.
    /// </summary>
    /// <param name="path">The folder, or the GGUF file; or where a cache of Hugging Face or of Ollama has them (<see cref="CachePaths"/>).</param>
    /// <param name="options">What the user set over it.</param>
    /// <exception cref="CheckpointException">There is no checkpoint, or its configuration is not that of a Llama model.</exception>
    public static Checkpoint Open(string path, CheckpointOptions options)
    {
        FileCheckpoint stored = OpenStored(path, options);
        if (options.Weights is not { } mix) return stored;
        try
        {
            return QuantizedCheckpoint.Of(stored, mix, options.Threads);
        }
        catch
        {
            stored.Dispose();
            throw;
        }
    }

    /// <summary>What a checkpoint is called: its folder's name, or its GGUF file's without extension and number of the part.</summary>
    /// <param name="path">The folder or file.</param>
    public static string NameOf(string path) => CachePaths.NameOf(path) ?? (File.Exists(path)
        ? GgufPaths.NameOf(path)
        : System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path))));

    /// <summary>Opens a checkpoint as it is stored, whatever type was asked for.</summary>
    /// <param name="path">The folder, or the GGUF file.</param>
    /// <param name="options">What the user set over it.</param>
    /// <exception cref="CheckpointException">There is no checkpoint, or its configuration is not that of a Llama model.</exception>
    internal static FileCheckpoint OpenStored(string path, CheckpointOptions options)
    {
        try
        {
            path = CachePaths.Resolve(path);
            if (GgufPaths.Find(path) is { } file) return GgufCheckpoint.OpenFile(path, file, options);
            if (!Directory.Exists(path))
                throw new CheckpointException($"{path}: there is no such folder or file; a checkpoint is a folder or a .gguf file");
            return CheckpointFolder.FormatOf(path) == CheckpointFormat.Meta
                ? MetaCheckpoint.OpenFolder(path, options)
                : HuggingFaceCheckpoint.OpenFolder(path, options);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Opens a matrix in its stored type, or that of <see cref="CheckpointOptions.Weights"/>, and checks its shape.</summary>
    /// <param name="name">A name of <see cref="TensorNames"/>.</param>
    /// <param name="rows">Rows that the configuration asks for.</param>
    /// <param name="columns">Columns that the configuration asks for.</param>
    /// <exception cref="CheckpointException">The tensor or its file is missing, cut off, or of another shape or type.</exception>
    public abstract WeightMatrix OpenMatrix(string name, int rows, int columns);

    /// <summary>The bytes of one row of what <see cref="OpenMatrix"/> gives; no other row is read or rounded.</summary>
    /// <param name="name">A name of <see cref="TensorNames"/>.</param>
    /// <param name="rows">Rows that the configuration asks for.</param>
    /// <param name="columns">Columns that the configuration asks for.</param>
    /// <param name="row">Which row.</param>
    /// <exception cref="CheckpointException">The tensor or its file is missing, cut off, or of another shape or type.</exception>
    internal abstract byte[] ReadRow(string name, int rows, int columns, int row);

    /// <summary>Gives back the memory that a matrix takes. What was opened of it is no longer valid; it can be opened again.</summary>
    /// <param name="name">A name of <see cref="TensorNames"/>.</param>
    internal abstract void Release(string name);

    /// <summary>Reads a vector as single-precision numbers and checks its length.</summary>
    /// <param name="name">A name of <see cref="TensorNames"/>.</param>
    /// <param name="length">Elements that the configuration asks for.</param>
    /// <exception cref="CheckpointException">The tensor or its file is missing, cut off, or of another shape or type.</exception>
    public abstract float[] ReadVector(string name, int length);

    /// <summary>The bias of a layer's products with a matrix as single-precision numbers, <c>[rows]</c>; null where there is none.</summary>
    /// <param name="matrix">The matrix's name, one of the seven of a layer.</param>
    /// <param name="rows">Rows of the matrix.</param>
    /// <exception cref="CheckpointException">
    /// There must be one, or a file that may have it is missing; or it is cut off, or of another shape or type.
    /// </exception>
    public float[]? ReadBias(string matrix, int rows)
    {
        string bias = TensorNames.Bias(matrix);
        return MayHaveBias(bias) ? ReadVector(bias, rows) : null;
    }

    /// <summary>
    /// Whether there is a bias, or must be one: it is in a file, the configuration demands it, or a file that may have it is missing.
    /// </summary>
    /// <param name="name">Its name, by <see cref="TensorNames.Bias"/>.</param>
    internal abstract bool MayHaveBias(string name);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Unmaps the files.</summary>
    /// <param name="disposing">Whether called from <see cref="Dispose()"/>.</param>
    protected abstract void Dispose(bool disposing);

    /// <summary>The name that a matrix is stored under: tied embeddings are the output head, too.</summary>
    private protected string StoredName(string name) => name == TensorNames.Output && Config.TiedEmbeddings ? TensorNames.TokenEmbeddings : name;
}
