using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Checkpoints.HuggingFace;

/// <summary>
/// The safetensors files of a folder: a single one, or several and an index that says which has a tensor. No file has to be there; those
/// that are there are opened at once, for what else they hold.
/// </summary>
internal sealed class SafetensorsParts : IDisposable
{
    private const string SingleFile = "model.safetensors";
    private const string IndexFile = "model.safetensors.index.json";

    private readonly string folder;
    private readonly TensorCheck check;
    private readonly Dictionary<string, SafetensorsFile> files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string>? index;

    /// <summary>Opens the files that are there.</summary>
    /// <param name="folder">Their folder.</param>
    /// <param name="check">What they may hold.</param>
    /// <exception cref="CheckpointException">The index is damaged, or a file holds what the model may not have.</exception>
    public SafetensorsParts(string folder, TensorCheck check)
    {
        this.folder = folder;
        this.check = check;
        bool isSingle = File.Exists(PathOf(SingleFile));
        if (!isSingle && File.Exists(PathOf(IndexFile))) index = ReadIndex();
        try
        {
            if (index is not null) check.RefuseOthers(PathOf(IndexFile), index.Keys);
            foreach (string name in isSingle ? [SingleFile] : index?.Values.Distinct(StringComparer.Ordinal) ?? []) OpenIfSound(name);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The stored type of any tensor of a single file, as it names it; null without one.</summary>
    public string? AnyType => files.GetValueOrDefault(SingleFile)?.AnyType;

    /// <summary>Whether the index, or a file that was opened, has a tensor.</summary>
    public bool Has(string tensor) => index?.ContainsKey(tensor) == true || files.Values.Any(file => file.Find(tensor) is not null);

    /// <summary>A tensor.</summary>
    /// <exception cref="CheckpointException">It is missing, or its file is missing or damaged.</exception>
    public StoredTensor Find(string tensor)
    {
        string name = FileOf(tensor);
        if (!files.TryGetValue(name, out SafetensorsFile? file))
        {
            if (!File.Exists(PathOf(name))) throw new CheckpointException($"{PathOf(name)}: the file, needed for tensor {tensor}, is missing");
            file = Add(name, new SafetensorsFile(PathOf(name)));
        }

        return file.Find(tensor) ?? throw new CheckpointException($"{PathOf(name)}: tensor {tensor} is missing");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SafetensorsFile file in files.Values) file.Dispose();
    }

    private string PathOf(string name) => Path.Combine(folder, name);

    private void OpenIfSound(string name)
    {
        if (!File.Exists(PathOf(name))) return;
        SafetensorsFile file;
        try
        {
            file = new SafetensorsFile(PathOf(name));
        }
        catch (CheckpointException)
        {
            // Not all of it is on this machine, or it is damaged: reading a tensor of it says so.
            return;
        }

        Add(name, file);
    }

    private SafetensorsFile Add(string name, SafetensorsFile file)
    {
        files.Add(name, file);
        check.RefuseOthers(PathOf(name), file.TensorNames);
        return file;
    }

    private string FileOf(string tensor)
    {
        if (index is null)
        {
            return File.Exists(PathOf(SingleFile))
                ? SingleFile
                : throw new CheckpointException(
                    $"{folder}: {SingleFile} or {IndexFile}, needed for tensor {tensor}, is missing; "
                    + $"the folder holds {CheckpointFolder.Contents(folder)}");
        }

        return index.TryGetValue(tensor, out string? file)
            ? file
            : throw new CheckpointException($"{PathOf(IndexFile)}: weight_map: tensor {tensor} is missing");
    }

    private Dictionary<string, string> ReadIndex()
    {
        var settings = JsonSettings.Read(PathOf(IndexFile));
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
}
