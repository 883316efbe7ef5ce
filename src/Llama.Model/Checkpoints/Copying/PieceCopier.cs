using System.Security.Cryptography;
using System.Text;
using Llama.Model.Checkpoints.Files;
using Microsoft.Win32.SafeHandles;

namespace Llama.Model.Checkpoints.Copying;

/// <summary>
/// Copies pieces of a file into a file of the same length and keeps the record of them. What the record has is checked against its hash
/// instead of being copied again. A piece is in the record when it is on the disk and reads there as it did at the source.
/// </summary>
internal sealed class PieceCopier : IDisposable
{
    private const int BufferBytes = 4 << 20;

    private readonly byte[] buffer = new byte[BufferBytes];
    private readonly Dictionary<(long First, long End), string> copied = [];
    private readonly IPieceSource source;
    private readonly string targetPath;
    private readonly FileStream record;
    private readonly SafeFileHandle target;

    /// <summary>Opens source and target, and begins anew where the target is a copy of something else.</summary>
    /// <exception cref="CheckpointException">The record of the target cannot be read.</exception>
    /// <exception cref="IOException">A file cannot be read or written, or the target is there and is no copy.</exception>
    public PieceCopier(IPieceSource source, string targetPath)
    {
        (this.source, this.targetPath) = (source, targetPath);
        string recordPath = CopiedRanges.PathOf(targetPath);
        bool hasRecord = File.Exists(recordPath);
        if (File.Exists(targetPath) && !hasRecord)
            throw new IOException($"{targetPath} is there, and was not copied with this command; expected a folder without it.");
        CopiedRanges? before = hasRecord ? CopiedRanges.Find(targetPath) : null;
        record = new FileStream(recordPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        try
        {
            if (before is { } known && known.Bytes == source.Bytes && known.Source == source.Version && File.Exists(targetPath))
            {
                foreach (CopiedPiece piece in known.Pieces) copied[(piece.First, piece.End)] = piece.Hash;
                CutOffUnfinishedLine();
            }
            else
            {
                record.SetLength(0);
                if (File.Exists(targetPath)) File.Delete(targetPath);
                Append(CopiedRanges.Header(source.Bytes, source.Version));
            }

            target = File.OpenHandle(targetPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
            RandomAccess.SetLength(target, source.Bytes);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Whether a piece was begun to be copied once: then the file's header is there.</summary>
    public bool HasPieces => copied.Count > 0;

    /// <summary>Has a piece at the target.</summary>
    /// <param name="first">Its first byte.</param>
    /// <param name="end">The byte after its last.</param>
    /// <param name="cancellationToken">Ends it; the piece is not in the record then.</param>
    /// <returns>Whether it was copied; it was there already if not.</returns>
    /// <exception cref="IOException">It cannot be read or written, or does not read as it was written.</exception>
    public bool Ensure(long first, long end, CancellationToken cancellationToken)
    {
        if (copied.TryGetValue((first, end), out string? known) && Hash(first, end, cancellationToken) == known) return false;
        string hash = Copy(first, end, cancellationToken);
        RandomAccess.FlushToDisk(target);
        if (Hash(first, end, cancellationToken) != hash)
            throw new IOException($"{targetPath}: bytes {first} to {end - 1} do not read as they were written.");
        Append(CopiedRanges.Line(new CopiedPiece(first, end, hash)));
        copied[(first, end)] = hash;
        return true;
    }

    /// <summary>SHA-256 of bytes that are at the target, hexadecimal.</summary>
    /// <param name="first">The first byte.</param>
    /// <param name="end">The byte after the last.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public string Hash(long first, long end, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long at = first; at < end;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int read = RandomAccess.Read(target, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - at)), at);
            if (read == 0) throw new IOException($"{targetPath} ends at byte {at}; expected {end} bytes.");
            hash.AppendData(buffer, 0, read);
            at += read;
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Begins the file anew: what was copied of it is not what it should be.</summary>
    public void Discard()
    {
        record.SetLength(0);
        File.Delete(targetPath);
        File.Delete(CopiedRanges.PathOf(targetPath));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        record.Dispose();
        target?.Dispose();
    }

    private string Copy(long first, long end, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long at = first;
        source.Read(
            first, end,
            bytes =>
            {
                hash.AppendData(bytes);
                RandomAccess.Write(target, bytes, at);
                at += bytes.Length;
            },
            cancellationToken);
        return at == end ? Convert.ToHexStringLower(hash.GetHashAndReset()) : throw new IOException($"{source.Name} gave {at - first} bytes from byte {first}; expected {end - first}.");
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
