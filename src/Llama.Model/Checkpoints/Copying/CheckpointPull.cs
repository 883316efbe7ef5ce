using System.Buffers.Binary;
using Llama.Model.Checkpoints.Gguf;

namespace Llama.Model.Checkpoints.Copying;

/// <summary>
/// Brings some layers of a checkpoint that is not mounted: first the headers of the weight files, which say where tensors lie, then the pieces
/// in which the layers lie, as <see cref="CheckpointCopy"/> leaves them.
/// </summary>
public static class CheckpointPull
{
    private const int FirstProbe = 1 << 20;
    private const int LastProbe = 256 << 20;
    private const int SafetensorsLengthBytes = 8;
    private const int LargestSafetensorsHeader = 100 << 20;

    /// <summary>Brings a range of layers; the first one has the embedding with it, the last one the output head.</summary>
    /// <param name="weights">All weight files of the model: those of safetensors, or the parts of a GGUF model.</param>
    /// <param name="first">First layer.</param>
    /// <param name="end">The layer after the last; null for the model's end.</param>
    /// <param name="folder">Where to; configuration and tokenizer of a Hugging Face model are there already.</param>
    /// <param name="progress">Told after each piece.</param>
    /// <param name="cancellationToken">Ends it; another call goes on.</param>
    /// <exception cref="CheckpointException">The checkpoint cannot be used, or has no such layers.</exception>
    /// <exception cref="IOException">A file cannot be read or written, something else is in its place, or it has not its hash.</exception>
    public static CopySummary Pull(
        IReadOnlyList<IPieceSource> weights, int first, int? end, string folder, IProgress<CopyProgress> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(progress);
        var headersOnly = new List<IPieceSource>();
        foreach (IPieceSource source in weights)
        {
            string target = Path.Combine(folder, source.Name);
            using var copier = new PieceCopier(source, target);
            if (copier.HasPieces) continue;
            headersOnly.Add(source);
            BringHeader(source, copier, target, cancellationToken);
        }

        IReadOnlyList<FilePieces> files = Plan(IsGguf(weights[0]) ? Path.Combine(folder, weights[0].Name) : folder, first, end);
        long total = files.Sum(file => file.NeededBytes), copied = 0, found = 0;
        foreach (FilePieces file in files)
        {
            IPieceSource source = weights.FirstOrDefault(source => Path.Combine(folder, source.Name) == file.Path)
                ?? throw new CheckpointException($"{file.Path}: the model needs it, and it is none of the files that are pulled");
            using var copier = new PieceCopier(source, file.Path);
            foreach ((long from, long to) in file.Needed)
            {
                if (copier.Ensure(from, to, cancellationToken)) copied += to - from;
                else found += to - from;
                progress.Report(new CopyProgress(source.Name, copied + found, total));
            }

            if (file.NeededBytes == file.Bytes) CheckHash(source, copier, file.Path, cancellationToken);
        }

        foreach (IPieceSource other in headersOnly.Where(source => !files.Any(file => file.Path == Path.Combine(folder, source.Name))))
        {
            using var copier = new PieceCopier(other, Path.Combine(folder, other.Name));
            copier.Discard();
        }

        return new CopySummary(files.Count, copied, found, files.Sum(file => file.Bytes) - total);
    }

    private static IReadOnlyList<FilePieces> Plan(string model, int first, int? end)
    {
        using FileCheckpoint checkpoint = Checkpoint.OpenStored(model, new CheckpointOptions());
        return FilePieces.Of(checkpoint, first, CheckpointCopy.LastOf(checkpoint, first, end), mustBeHere: false);
    }

    private static void CheckHash(IPieceSource source, PieceCopier copier, string path, CancellationToken cancellationToken)
    {
        if (source.Sha256 is not { } expected || copier.Hash(0, source.Bytes, cancellationToken) is var hash && hash == expected) return;
        copier.Discard();
        throw new IOException($"{path}: found a file with SHA-256 {hash}, expected {expected}; it was deleted.");
    }

    private static bool IsGguf(IPieceSource source) => source.Name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);

    private static void BringHeader(IPieceSource source, PieceCopier copier, string target, CancellationToken cancellationToken)
    {
        if (IsGguf(source))
        {
            foreach ((long from, long to) in ProbeGguf(source, target, cancellationToken)) copier.Ensure(from, to, cancellationToken);
            return;
        }

        byte[] length = new byte[SafetensorsLengthBytes];
        int at = 0;
        source.Read(
            0, Math.Min(SafetensorsLengthBytes, source.Bytes),
            bytes =>
            {
                bytes.CopyTo(length.AsSpan(at));
                at += bytes.Length;
            },
            cancellationToken);
        ulong header = BinaryPrimitives.ReadUInt64LittleEndian(length);
        if (header > LargestSafetensorsHeader || SafetensorsLengthBytes + (long)header > source.Bytes)
            throw new CheckpointException($"{source.Name}: found a header of {header} bytes in a file of {source.Bytes}: it is no safetensors file");
        foreach ((long from, long to) in FilePieces.Split((0, SafetensorsLengthBytes + (long)header))) copier.Ensure(from, to, cancellationToken);
    }

    // How long a GGUF header is, is known when it was read: more of it is looked at until it is whole.
    private static List<(long First, long End)> ProbeGguf(IPieceSource source, string target, CancellationToken cancellationToken)
    {
        string probe = target + ".header";
        try
        {
            for (long length = Math.Min(FirstProbe, source.Bytes); ; length = Math.Min(4 * length, source.Bytes))
            {
                using (FileStream file = File.Create(probe))
                {
                    source.Read(0, length, bytes => file.Write(bytes), cancellationToken);
                    file.SetLength(source.Bytes);
                }

                try
                {
                    using var gguf = new GgufFile(probe);
                    if (gguf.DataStart <= length)
                    {
                        List<(long First, long End)> pieces = [.. FilePieces.Split((0, gguf.DataStart))];

                        // It is read with the configuration.
                        if (gguf.Find(GgufNames.RopeFactors) is { } factors) pieces.Add((factors.Offset, factors.Offset + factors.DataBytes));
                        return pieces;
                    }
                }
                catch (CheckpointException) when (length < Math.Min(LastProbe, source.Bytes))
                {
                    // Behind what was read there is nothing yet.
                }
            }
        }
        finally
        {
            File.Delete(probe);
        }
    }
}
