using System.Security.Cryptography;
using System.Text;
using Llama.Model.Checkpoints.Files;
using Microsoft.Win32.SafeHandles;

namespace Llama.Model.Checkpoints.Copying;

/// <summary>
/// Copies pieces of one file into a file of the same length and keeps the record of them. What the record has is checked against its hash
/// instead of being copied again. A piece is in the record when it is on the disk and reads there as it did at the source.
/// </summary>
internal sealed class PieceCopier : IDisposable
{
    private const int BufferBytes = 4 << 20;

    private readonly byte[] buffer = new byte[BufferBytes];
    private readonly Dictionary<(long First, long End), string> copied = [];
    private readonly string sourcePath;
    private readonly string targetPath;
    private readonly FileStream record;
    private readonly SafeFileHandle source;
    private readonly SafeFileHandle target;

    /// <summary>Opens source and target, and begins anew where the target is a copy of something else.</summary>
    /// <exception cref="CheckpointException">The record of the target cannot be read.</exception>
    /// <exception cref="IOException">A file cannot be read or written, or the target is there and is no copy.</exception>
    public PieceCopier(FilePieces file, string targetPath)
    {
        (sourcePath, this.targetPath) = (file.Path, targetPath);
        long version = File.GetLastWriteTimeUtc(file.Path).Ticks;
        string recordPath = CopiedRanges.PathOf(targetPath);
        bool hasRecord = File.Exists(recordPath);
        if (File.Exists(targetPath) && !hasRecord)
            throw new IOException($"{targetPath} is there, and was not copied with this command; expected a folder without it.");
        CopiedRanges? before = hasRecord ? CopiedRanges.Find(targetPath) : null;
        record = new FileStream(recordPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        try
        {
            if (before is { } known && known.Bytes == file.Bytes && known.Source == version && File.Exists(targetPath))
            {
                foreach (CopiedPiece piece in known.Pieces) copied[(piece.First, piece.End)] = piece.Hash;
                CutOffUnfinishedLine();
            }
            else
            {
                record.SetLength(0);
                if (File.Exists(targetPath)) File.Delete(targetPath);
                Append(CopiedRanges.Header(file.Bytes, version));
            }

            source = File.OpenHandle(file.Path);
            target = File.OpenHandle(targetPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
            RandomAccess.SetLength(target, file.Bytes);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Has a piece at the target.</summary>
    /// <param name="first">Its first byte.</param>
    /// <param name="end">The byte after its last.</param>
    /// <param name="cancellationToken">Ends it; the piece is not in the record then.</param>
    /// <returns>Whether it was copied; it was there already if not.</returns>
    /// <exception cref="IOException">It cannot be read or written, or does not read as it was written.</exception>
    public bool Ensure(long first, long end, CancellationToken cancellationToken)
    {
        if (copied.TryGetValue((first, end), out string? known) && Hash(target, targetPath, first, end, null, cancellationToken) == known)
            return false;
        string hash = Hash(source, sourcePath, first, end, target, cancellationToken);
        RandomAccess.FlushToDisk(target);
        if (Hash(target, targetPath, first, end, null, cancellationToken) != hash)
            throw new IOException($"{targetPath}: bytes {first} to {end - 1} do not read as they were written.");
        Append(CopiedRanges.Line(new CopiedPiece(first, end, hash)));
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        record.Dispose();
        source?.Dispose();
        target?.Dispose();
    }

    private string Hash(
        SafeFileHandle file, string path, long first, long end, SafeFileHandle? copy, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long at = first; at < end;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int read = RandomAccess.Read(file, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - at)), at);
            if (read == 0) throw new IOException($"{path} ends at byte {at}; expected {end} bytes.");
            hash.AppendData(buffer, 0, read);
            if (copy is not null) RandomAccess.Write(copy, buffer.AsSpan(0, read), at);
            at += read;
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private void Append(string line)
    {
        record.Write(Encoding.UTF8.GetBytes(line));
        record.Flush(flushToDisk: true);
    }

    private void CutOffUnfinishedLine()
    {
        long end = record.Length;
        for (; end > 0; end--)
        {
            record.Position = end - 1;
            if (record.ReadByte() == '\n') break;
        }

        record.SetLength(end);
        record.Position = end;
    }
}
