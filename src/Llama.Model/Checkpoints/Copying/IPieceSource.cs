using Microsoft.Win32.SafeHandles;

namespace Llama.Model.Checkpoints.Copying;

/// <summary>A weight file that pieces are read of, wherever it is.</summary>
public interface IPieceSource
{
    /// <summary>The file's name.</summary>
    string Name { get; }

    /// <summary>Its length.</summary>
    long Bytes { get; }

    /// <summary>Tells it from another file of the same name.</summary>
    long Version { get; }

    /// <summary>SHA-256 of the whole file, hexadecimal; null where that is not known.</summary>
    string? Sha256 { get; }

    /// <summary>Reads a piece.</summary>
    /// <param name="first">Its first byte.</param>
    /// <param name="end">The byte after its last.</param>
    /// <param name="take">Is given the bytes, in order.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    void Read(long first, long end, PieceTaker take, CancellationToken cancellationToken);
}

/// <summary>Takes the next bytes of a piece.</summary>
/// <param name="bytes">The bytes; valid until it returns.</param>
public delegate void PieceTaker(ReadOnlySpan<byte> bytes);

/// <summary>A weight file that is mounted.</summary>
internal sealed class LocalPieces : IPieceSource, IDisposable
{
    private readonly string path;
    private readonly SafeFileHandle file;
    private readonly byte[] buffer = new byte[4 << 20];

    /// <summary>Opens a file.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public LocalPieces(string path)
    {
        this.path = path;
        file = File.OpenHandle(path);
        (Bytes, Version) = (RandomAccess.GetLength(file), File.GetLastWriteTimeUtc(path).Ticks);
    }

    /// <inheritdoc/>
    public string Name => Path.GetFileName(path);

    /// <inheritdoc/>
    public long Bytes { get; }

    /// <inheritdoc/>
    public long Version { get; }

    /// <inheritdoc/>
    public string? Sha256 => null;

    /// <inheritdoc/>
    public void Read(long first, long end, PieceTaker take, CancellationToken cancellationToken)
    {
        for (long at = first; at < end;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int read = RandomAccess.Read(file, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - at)), at);
            if (read == 0) throw new IOException($"{path} ends at byte {at}; expected {end} bytes.");
            take(buffer.AsSpan(0, read));
            at += read;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();
}
