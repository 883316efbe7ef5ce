using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Checkpoints.Gguf;

/// <summary>
/// The files that a GGUF model is split into. The first has the metadata; which file has a tensor is only known by looking, so all that
/// are there are opened.
/// </summary>
internal sealed class GgufParts : IDisposable
{
    private readonly GgufFile?[] files;

    /// <summary>Opens the parts that are there.</summary>
    /// <param name="first">Path of the first, which must be.</param>
    /// <exception cref="CheckpointException">One cannot be used, or is another than its name says.</exception>
    public GgufParts(string first)
    {
        Paths = GgufPaths.Parts(first);
        files = new GgufFile?[Paths.Count];
        try
        {
            First = Open(0);
            for (int i = 1; i < files.Length; i++)
            {
                if (File.Exists(Paths[i])) Open(i);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The paths of all parts, whether they are there or not.</summary>
    public IReadOnlyList<string> Paths { get; }

    /// <summary>The first part.</summary>
    public GgufFile First { get; }

    /// <summary>The parts that are there.</summary>
    public IEnumerable<GgufFile> Here => files.OfType<GgufFile>();

    /// <summary>The parts that are not there.</summary>
    public IEnumerable<string> Missing => Paths.Where((_, i) => files[i] is null);

    /// <summary>A tensor, or null if none of the parts that are there has one of this name.</summary>
    public StoredTensor? Find(string name)
    {
        foreach (GgufFile file in Here)
        {
            if (file.Find(name) is { } tensor) return tensor;
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
        var file = new GgufFile(Paths[index]);
        try
        {
            GgufMetadata metadata = file.Metadata;
            int count = metadata.Whole("split.count", 0, ushort.MaxValue) ?? 0;
            if (count > 1 && count != Paths.Count)
                throw metadata.Wrong("split.count", $"{Paths.Count}, as the file's name says");
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
