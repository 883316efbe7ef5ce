using System.Buffers.Binary;
using System.Text;
using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Checkpoints.Meta;

/// <summary>
/// The central directory of a zip file (PKWARE APPNOTE 4.3, with zip64), for entries that are stored uncompressed and can be used
/// where they lie in the mapped file.
/// </summary>
internal sealed class ZipDirectory
{
    private const uint EndSignature = 0x06054b50;
    private const uint End64LocatorSignature = 0x07064b50;
    private const uint End64Signature = 0x06064b50;
    private const uint EntrySignature = 0x02014b50;
    private const uint LocalSignature = 0x04034b50;
    private const int EndBytes = 22;
    private const int EntryBytes = 46;
    private const int LocalBytes = 30;
    private const ushort Zip64Field = 1;

    // The largest release has about a thousand entries of a hundred bytes.
    private const int LargestDirectory = 4 << 20;

    private readonly MappedFile file;
    private readonly Dictionary<string, Entry> entries = new(StringComparer.Ordinal);

    private readonly record struct Entry(long Header, long StoredBytes, long Bytes, ushort Method, ushort Flags);

    /// <summary>Reads the directory.</summary>
    /// <exception cref="CheckpointException">The file is no zip file, cut off, or damaged.</exception>
    public ZipDirectory(MappedFile file)
    {
        this.file = file;
        (long offset, long bytes, long count) = FindDirectory();
        if (bytes > LargestDirectory || count > bytes / EntryBytes)
            throw Damaged($"found a directory of {count} entries in {bytes} bytes, expected at most {LargestDirectory} bytes");
        ReadOnlySpan<byte> directory = file.Span(offset, (int)bytes, "the zip directory");
        for (long i = 0; i < count; i++) directory = directory[ReadEntry(directory)..];
    }

    /// <summary>The names of all entries.</summary>
    public IReadOnlyCollection<string> Names => entries.Keys;

    /// <summary>Where an entry's bytes lie in the file, or null if there is none of this name.</summary>
    /// <exception cref="CheckpointException">It is compressed or encrypted, or does not lie in the file.</exception>
    public (long Offset, long Bytes)? Locate(string name)
    {
        if (!entries.TryGetValue(name, out Entry entry)) return null;
        if ((entry.Flags & 1) != 0 || entry.Method != 0 || entry.StoredBytes != entry.Bytes)
        {
            throw Damaged(
                $"found entry {Excerpt.Of(name)} with compression method {entry.Method}{((entry.Flags & 1) != 0 ? ", encrypted" : "")}, "
                + "expected it stored as it is, to be used where it lies");
        }

        ReadOnlySpan<byte> local = file.Span(entry.Header, LocalBytes, $"the header of entry {Excerpt.Of(name)}");
        if (U32(local, 0) != LocalSignature) throw Damaged($"found no header of entry {Excerpt.Of(name)} at byte {entry.Header}");
        long offset = entry.Header + LocalBytes + U16(local, 26) + U16(local, 28);
        if (offset > file.Length || entry.Bytes > file.Length - offset)
        {
            throw Damaged(
                $"found entry {Excerpt.Of(name)} of {entry.Bytes} bytes at byte {offset}, "
                + $"but the file ends at byte {file.Length}: {WrongDownload.Truncated}");
        }

        return (offset, entry.Bytes);
    }

    private (long Offset, long Bytes, long Count) FindDirectory()
    {
        // The end record is the last thing in the file but for a comment of at most 65,535 bytes.
        int tailBytes = (int)Math.Min(file.Length, EndBytes + ushort.MaxValue);
        long tailStart = file.Length - tailBytes;
        ReadOnlySpan<byte> tail = file.Span(tailStart, tailBytes, "the end of the zip file");
        for (int at = tailBytes - EndBytes; at >= 0; at--)
        {
            ReadOnlySpan<byte> end = tail[at..];
            if (U32(end, 0) != EndSignature || U16(end, 20) != end.Length - EndBytes) continue;
            return FindDirectory64(tailStart + at) ?? (U32(end, 16), U32(end, 12), U16(end, 10));
        }

        throw Damaged(
            "found no end of a zip file, expected a checkpoint as torch.save writes it since PyTorch 1.6: truncated (then download it again), or of another format");
    }

    private (long Offset, long Bytes, long Count)? FindDirectory64(long end)
    {
        if (end < 20) return null;
        ReadOnlySpan<byte> locator = file.Span(end - 20, 20, "the zip64 locator");
        if (U32(locator, 0) != End64LocatorSignature) return null;
        ReadOnlySpan<byte> end64 = file.Span(I64(locator, 8), 56, "the zip64 end record");
        if (U32(end64, 0) != End64Signature) throw Damaged($"found no zip64 end record at byte {I64(locator, 8)}");
        return (I64(end64, 48), I64(end64, 40), I64(end64, 32));
    }

    private int ReadEntry(ReadOnlySpan<byte> directory)
    {
        if (directory.Length < EntryBytes || U32(directory, 0) != EntrySignature) throw Damaged("found a zip directory that ends early");
        int nameBytes = U16(directory, 28), extraBytes = U16(directory, 30);
        int total = EntryBytes + nameBytes + extraBytes + U16(directory, 32);
        if (total > directory.Length) throw Damaged("found a zip directory that ends within an entry");
        string name = Encoding.UTF8.GetString(directory.Slice(EntryBytes, nameBytes));
        long storedBytes = U32(directory, 20), bytes = U32(directory, 24), header = U32(directory, 42);
        ReadOnlySpan<byte> extra = directory.Slice(EntryBytes + nameBytes, extraBytes);
        while (extra.Length >= 4)
        {
            int fieldBytes = U16(extra, 2);
            if (fieldBytes > extra.Length - 4) throw Damaged($"found entry {Excerpt.Of(name)} with an extra field that ends early");
            if (U16(extra, 0) == Zip64Field)
            {
                // Holds, in this order, those of the three that did not fit 32 bits.
                ReadOnlySpan<byte> wide = extra.Slice(4, fieldBytes);
                if (bytes == uint.MaxValue) bytes = TakeI64(ref wide, name);
                if (storedBytes == uint.MaxValue) storedBytes = TakeI64(ref wide, name);
                if (header == uint.MaxValue) header = TakeI64(ref wide, name);
            }

            extra = extra[(4 + fieldBytes)..];
        }

        if (!entries.TryAdd(name, new Entry(header, storedBytes, bytes, U16(directory, 10), U16(directory, 8))))
            throw Damaged($"found entry {Excerpt.Of(name)} twice");
        return total;
    }

    private long TakeI64(ref ReadOnlySpan<byte> field, string name)
    {
        if (field.Length < 8) throw Damaged($"found entry {Excerpt.Of(name)} with a zip64 field that ends early");
        long value = I64(field, 0);
        field = field[8..];
        return value >= 0 ? value : throw Damaged($"found entry {Excerpt.Of(name)} with a zip64 field of {value}");
    }

    private CheckpointException Damaged(string found) => new($"{file.Path}: {found}");

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static long I64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);
}
