using Llama.Model.Checkpoints.Files;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints.HuggingFace;

/// <summary>A checkpoint in Hugging Face's format: every tensor whole, in one file or, by an index, in several.</summary>
internal sealed class HuggingFaceCheckpoint : FileCheckpoint
{
    private const string SingleFile = "model.safetensors";
    private const string IndexFile = "model.safetensors.index.json";

    private readonly Dictionary<string, SafetensorsFile> files = new(StringComparer.Ordinal);
    private Dictionary<string, string>? index;

    /// <summary>Opens a folder; a weight file only if <c>config.json</c> does not say how the weights are stored.</summary>
    /// <exception cref="CheckpointException">The configuration cannot be used.</exception>
    public static HuggingFaceCheckpoint OpenFolder(string folder, CheckpointOptions options)
    {
        var assumptions = new List<string>();
        (ModelConfig config, ElementType? weightType) = HuggingFaceConfig.Read(folder, options, assumptions);
        weightType ??= StoredType(folder);
        return new HuggingFaceCheckpoint
        {
            Path = folder,
            Config = config,
            Assumptions = assumptions,
            WeightType = weightType ?? ElementType.BF16,
            WeightName = weightType?.ToString(),
        };
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<StoredTensor> Find(string name)
    {
        // Tied embeddings are stored once, as a rule as embeddings.
        if (name == TensorNames.TokenEmbeddings && Config.TiedEmbeddings && !Has(name) && Has(TensorNames.Output)) name = TensorNames.Output;
        string theirs = HuggingFaceNames.Of(name);
        SafetensorsFile file = FileWith(theirs);
        return [file.Find(theirs) ?? throw new CheckpointException($"{file.Path}: tensor {theirs} is missing")];
    }

    private bool Has(string name)
    {
        string theirs = HuggingFaceNames.Of(name);
        if (File.Exists(System.IO.Path.Combine(Path, SingleFile))) return FileWith(theirs).Find(theirs) is not null;
        index ??= ReadIndex(theirs);
        return index.ContainsKey(theirs);
    }

    private SafetensorsFile FileWith(string theirs)
    {
        string fileName = FileOf(theirs);
        string path = System.IO.Path.Combine(Path, fileName);
        if (!files.TryGetValue(fileName, out SafetensorsFile? file))
        {
            if (!File.Exists(path)) throw new CheckpointException($"{path}: the file, needed for tensor {theirs}, is missing");
            files.Add(fileName, file = new SafetensorsFile(path));
        }

        return file;
    }

    /// <inheritdoc/>
    protected override void CloseFiles()
    {
        foreach (SafetensorsFile file in files.Values) file.Dispose();
    }

    private string FileOf(string tensor)
    {
        if (File.Exists(System.IO.Path.Combine(Path, SingleFile))) return SingleFile;
        index ??= ReadIndex(tensor);
        return index.TryGetValue(tensor, out string? file)
            ? file
            : throw new CheckpointException($"{System.IO.Path.Combine(Path, IndexFile)}: weight_map: tensor {tensor} is missing");
    }

    private Dictionary<string, string> ReadIndex(string tensor)
    {
        string path = System.IO.Path.Combine(Path, IndexFile);
        if (!File.Exists(path))
        {
            throw new CheckpointException(
                $"{Path}: {SingleFile} or {IndexFile}, needed for tensor {tensor}, is missing; "
                + $"the folder holds {CheckpointFolder.Contents(Path)}");
        }

        var settings = JsonSettings.Read(path);
        JsonSettings map = settings.Object("weight_map") ?? throw settings.Missing("weight_map");
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach ((string name, string file) in map.Texts())
        {
            if (file.Length is 0 or > 255 || file is "." or ".." || file.AsSpan().ContainsAny('/', '\\', '\0'))
                throw map.Wrong(name, "the name of a file in the same folder");
            found[name] = file;
        }

        return found;
    }

    private static ElementType? StoredType(string folder)
    {
        string path = System.IO.Path.Combine(folder, SingleFile);
        if (!File.Exists(path)) return null;
        using var file = new SafetensorsFile(path);
        return file.AnyType switch
        {
            "F32" => ElementType.F32,
            "F16" => ElementType.F16,
            "BF16" => ElementType.BF16,
            _ => null,
        };
    }
}
