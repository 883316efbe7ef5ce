using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Checkpoints.Gguf;

/// <summary>
/// The files that a GGUF model is split into. The first has the metadata; which file has a tensor is only known by looking, so the
/// others are opened one after the other until it is found.
/// </summary>
internal sealed class GgufParts : IDisposable
{
    private readonly IReadOnlyList<string> paths;
    private readonly GgufFile?[] files;

    /// <summary>Opens the first part.</summary>
    /// <param name="first">Its path.</param>
    /// <exception cref="CheckpointException">It cannot be used, or is not the first.</exception>
    public GgufParts(string first)
    {
        paths = GgufPaths.Parts(first);
        files = new GgufFile?[paths.Count];
        First = Open(0);
    }

    /// <summary>The first part.</summary>
    public GgufFile First { get; }

    /// <summary>The parts that are not there.</summary>
    public IEnumerable<string> Missing => paths.Where((path, i) => files[i] is null && !File.Exists(path));

    /// <summary>A tensor, or null if none of the parts that are there has one of this name.</summary>
    /// <exception cref="CheckpointException">A part that was opened to look for it cannot be used.</exception>
    public StoredTensor? Find(string name)
    {
        for (int i = 0; i < files.Length; i++)
        {
            if (files[i] is null && !File.Exists(paths[i])) continue;
            if ((files[i] ?? Open(i)).Find(name) is { } tensor) return tensor;
        }

        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (GgufFile? file in files) file?.Dispose();
    }

    private GgufFile Open(int index)
    {
        var file = new GgufFile(paths[index]);
        try
        {
            GgufMetadata metadata = file.Metadata;
            int count = metadata.Whole("split.count", 0, ushort.MaxValue) ?? 0;
            if (count > 1 && count != paths.Count)
                throw metadata.Wrong("split.count", $"{paths.Count}, as the file's name says");
            if (count > 1 && metadata.Whole("split.no", 0, count - 1) != index)
                throw metadata.Wrong("split.no", $"{index}, as the file's name says");
        }
        catch
        {
            file.Dispose();
            throw;
        }

        return files[index] = file;
    }
}
