namespace Llama.Model.Checkpoints.Copying;

/// <summary>How far a copy is.</summary>
/// <param name="File">Name of the file that it is at.</param>
/// <param name="Done">Bytes of weights that are at the target, in all files.</param>
/// <param name="Total">Bytes of weights that are to be there.</param>
public sealed record CopyProgress(string File, long Done, long Total);

/// <summary>What a copy has done.</summary>
/// <param name="Files">Weight files that are at the target.</param>
/// <param name="Copied">Bytes of weights that were copied.</param>
/// <param name="Checked">Bytes of weights that were there already, and have their hash.</param>
/// <param name="LeftOut">Bytes of the same model's weight files that the layers do not need.</param>
public sealed record CopySummary(int Files, long Copied, long Checked, long LeftOut);

/// <summary>
/// Copies what a silo needs of a checkpoint to compute some layers: configuration, tokenizer and other small files, and of the weight files
/// the pieces in which these layers lie, in their places; the rest are holes. An interrupted copy goes on where it was, and more layers can
/// be added to it.
/// </summary>
public static class CheckpointCopy
{
    private const long MostSmallBytes = 64 << 20;

    private static readonly HashSet<string> WeightExtensions =
        new(StringComparer.OrdinalIgnoreCase) { ".safetensors", ".gguf", ".pth", ".pt", ".bin", Files.CopiedRanges.Suffix, PartSuffix };

    private const string PartSuffix = ".part";

    /// <summary>Copies a range of layers; the first one has the embedding with it, the last one the output head.</summary>
    /// <param name="model">Folder or GGUF file of the checkpoint.</param>
    /// <param name="first">First layer.</param>
    /// <param name="end">The layer after the last; null for the model's end.</param>
    /// <param name="folder">Where to; made if it is not there.</param>
    /// <param name="progress">Told after each piece.</param>
    /// <param name="cancellationToken">Ends it; another call goes on.</param>
    /// <exception cref="CheckpointException">The checkpoint cannot be used, or has no such layers.</exception>
    /// <exception cref="IOException">A file cannot be read or written, or something else is in its place.</exception>
    public static CopySummary Copy(
        string model, int first, int? end, string folder, IProgress<CopyProgress> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(progress);
        using FileCheckpoint checkpoint = Checkpoint.OpenStored(model, new CheckpointOptions());
        IReadOnlyList<FilePieces> files = FilePieces.Of(checkpoint, first, LastOf(checkpoint, first, end), mustBeHere: true);
        string sourceFolder = Directory.Exists(model) ? model : Path.GetDirectoryName(Path.GetFullPath(model))!;
        if (Path.GetFullPath(folder).TrimEnd(Path.DirectorySeparatorChar) == Path.GetFullPath(sourceFolder).TrimEnd(Path.DirectorySeparatorChar))
            throw new IOException($"{folder} is the folder that is copied; expected another.");
        Directory.CreateDirectory(folder);
        if (Directory.Exists(model)) CopySmallFiles(model, folder);

        long total = files.Sum(file => file.NeededBytes), copied = 0, found = 0;
        foreach (FilePieces file in files)
        {
            string name = Path.GetFileName(file.Path);
            using var source = new LocalPieces(file.Path);
            using var copier = new PieceCopier(source, Path.Combine(folder, name));
            foreach ((long from, long to) in file.Needed)
            {
                if (copier.Ensure(from, to, cancellationToken)) copied += to - from;
                else found += to - from;
                progress.Report(new CopyProgress(name, copied + found, total));
            }
        }

        return new CopySummary(files.Count, copied, found, files.Sum(file => file.Bytes) - total);
    }

    /// <summary>The layer after the last one of a range.</summary>
    /// <exception cref="CheckpointException">The model has no such range.</exception>
    internal static int LastOf(Checkpoint checkpoint, int first, int? end)
    {
        int layers = checkpoint.Config.Layers;
        int last = end ?? layers;
        return first >= 0 && first < last && last <= layers ? last : throw new CheckpointException(
            $"{checkpoint.Path}: has no layers {first} to {last}, the last not included; it has {layers}");
    }

    /// <summary>Whatever a folder has beside weights: configuration, index, tokenizer, templates, licence.</summary>
    private static void CopySmallFiles(string model, string folder)
    {
        foreach (string path in Directory.EnumerateFiles(model))
        {
            if (WeightExtensions.Contains(Path.GetExtension(path)) || new FileInfo(path).Length > MostSmallBytes) continue;
            string target = Path.Combine(folder, Path.GetFileName(path));
            byte[] content = File.ReadAllBytes(path);
            if (File.Exists(target) && File.ReadAllBytes(target).AsSpan().SequenceEqual(content)) continue;
            File.WriteAllBytes(target + PartSuffix, content);
            File.Move(target + PartSuffix, target, overwrite: true);
        }
    }
}
