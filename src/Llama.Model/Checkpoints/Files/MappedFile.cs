using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace Llama.Model.Checkpoints.Files;

/// <summary>A file mapped into memory to be read, of any size; nothing is read before it is touched.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile map;
    private readonly MemoryMappedViewAccessor view;
    private readonly byte* start;
    private readonly CopiedRanges? copied;

    /// <summary>Maps a whole file.</summary>
    /// <exception cref="CheckpointException">It is missing, empty or cannot be read.</exception>
    public MappedFile(string path)
    {
        Path = path;
        try
        {
            using SafeFileHandle handle = File.OpenHandle(path);
            Length = RandomAccess.GetLength(handle);
            if (Length == 0) throw new CheckpointException($"{path}: the file is empty");
            copied = CopiedRanges.Find(path);
            if (copied is not null && (copied.Bytes != Length || !copied.Holds(0, 1)))
            {
                throw new CheckpointException(
                    $"{path}: has {Length} bytes, of which {CopiedRanges.PathOf(path)} lists {copied.HeldBytes} of {copied.Bytes}: "
                    + "another file, or not copied yet");
            }

            map = MemoryMappedFile.CreateFromFile(
                handle, null, Length, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            view = map.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"{path}: the file is missing", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            map?.Dispose();
            throw new CheckpointException($"{path}: cannot be mapped: {e.Message}", e);
        }

        byte* pointer = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        start = pointer + view.PointerOffset;
        try
        {
            WrongDownload.Refuse(path, new ReadOnlySpan<byte>(start, (int)Math.Min(Length, WrongDownload.HeadBytes)));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The file's path.</summary>
    public string Path { get; }

    /// <summary>Bytes of the file.</summary>
    public long Length { get; }

    /// <summary>The bytes <c>[offset, offset + length)</c>.</summary>
    /// <exception cref="CheckpointException">They do not lie in the file.</exception>
    public ReadOnlySpan<byte> Span(long offset, int length, string what)
    {
        Check(offset, length, what);
        return new ReadOnlySpan<byte>(start + offset, length);
    }

    /// <summary>Whether bytes are on this machine, of which only some layers may have been copied.</summary>
    public bool Holds(long offset, long length) => copied is null || copied.Holds(offset, length);

    /// <summary>Address of the bytes <c>[offset, offset + length)</c>, valid until the file is disposed of.</summary>
    /// <exception cref="CheckpointException">They do not lie in the file.</exception>
    public nint Address(long offset, long length, string what)
    {
        Check(offset, length, what);
        return (nint)(start + offset);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        map.Dispose();
    }

    private void Check(long offset, long length, string what)
    {
        if (offset < 0 || length < 0 || offset > Length || length > Length - offset)
        {
            throw new CheckpointException(
                $"{Path}: the file ends at byte {Length}, but {what} takes {length} bytes from byte {offset}: {WrongDownload.Truncated}");
        }
    }
}
