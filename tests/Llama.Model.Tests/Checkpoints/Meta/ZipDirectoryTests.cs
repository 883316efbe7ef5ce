using System.Buffers.Binary;
using System.IO.Compression;
using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Files;
using Llama.Model.Checkpoints.Meta;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.Meta;

public class ZipDirectoryTests
{
    [Fact]
    public void Locate_EntriesOfAnotherWriter_FindsTheirBytes()
    {
        using var folder = new TemporaryFolder();
        using (var archive = new ZipArchive(File.Create(folder["a.zip"]), ZipArchiveMode.Create))
        {
            archive.Comment = "PK\u0005\u0006 within a comment";
            foreach (string name in new[] { "a", "b/c" })
            {
                using Stream entry = archive.CreateEntry(name, CompressionLevel.NoCompression).Open();
                entry.Write("bytes of "u8);
                entry.WriteByte((byte)name[0]);
            }
        }

        using var file = new MappedFile(folder["a.zip"]);
        var zip = new ZipDirectory(file);
        Assert.Equal(["a", "b/c"], zip.Names.Order());
        (long offset, long bytes) = zip.Locate("b/c")!.Value;
        Assert.Equal("bytes of b"u8, file.Span(offset, (int)bytes, "entry"));
        Assert.Null(zip.Locate("none"));
    }

    [Fact]
    public void Locate_Zip64_FindsBytesBeyondFourGigabytes()
    {
        using var folder = new TemporaryFolder();
        const long Header = 5L << 30;
        WriteZip64(folder["a.zip"], Header, bytes: 3);
        using var file = new MappedFile(folder["a.zip"]);
        (long offset, long bytes) = new ZipDirectory(file).Locate("e")!.Value;
        Assert.Equal(Header + 31, offset);
        Assert.Equal("xyz"u8, file.Span(offset, (int)bytes, "entry"));
    }

    [Theory]
    [InlineData(1L << 40)]
    [InlineData(long.MaxValue)]
    [InlineData(-1)]
    public void Locate_Zip64SizeBeyondTheFile_IsRefused(long bytes)
    {
        using var folder = new TemporaryFolder();
        WriteZip64(folder["a.zip"], header: 0, bytes);
        using var file = new MappedFile(folder["a.zip"]);
        string message = Assert.Throws<CheckpointException>(() => new ZipDirectory(file).Locate("e")).Message;
        Assert.Contains("a.zip: found entry e ", message);
    }

    /// <summary>A zip file whose one entry has all its numbers in zip64 fields; sparse up to the entry.</summary>
    private static void WriteZip64(string path, long header, long bytes)
    {
        byte[] local = new byte[30 + 1 + 3];
        BinaryPrimitives.WriteUInt32LittleEndian(local, 0x04034b50);
        local[26] = 1;
        "exyz"u8.CopyTo(local.AsSpan(30));

        byte[] entry = new byte[46 + 1 + 4 + 24];
        BinaryPrimitives.WriteUInt32LittleEndian(entry, 0x02014b50);
        entry.AsSpan(20, 8).Fill(0xff);
        entry[28] = 1;
        entry[30] = 28;
        entry.AsSpan(42, 4).Fill(0xff);
        entry[46] = (byte)'e';
        entry[47] = 1;
        entry[49] = 24;
        BinaryPrimitives.WriteInt64LittleEndian(entry.AsSpan(51), bytes);
        BinaryPrimitives.WriteInt64LittleEndian(entry.AsSpan(59), bytes);
        BinaryPrimitives.WriteInt64LittleEndian(entry.AsSpan(67), header);

        long directory = header + local.Length;
        byte[] end = new byte[56 + 20 + 22];
        BinaryPrimitives.WriteUInt32LittleEndian(end, 0x06064b50);
        BinaryPrimitives.WriteInt64LittleEndian(end.AsSpan(32), 1);
        BinaryPrimitives.WriteInt64LittleEndian(end.AsSpan(40), entry.Length);
        BinaryPrimitives.WriteInt64LittleEndian(end.AsSpan(48), directory);
        BinaryPrimitives.WriteUInt32LittleEndian(end.AsSpan(56), 0x07064b50);
        BinaryPrimitives.WriteInt64LittleEndian(end.AsSpan(64), directory + entry.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(end.AsSpan(76), 0x06054b50);
        end.AsSpan(84, 12).Fill(0xff);

        using FileStream stream = File.Create(path);
        stream.Position = header;
        stream.Write([.. local, .. entry, .. end]);
    }
}
