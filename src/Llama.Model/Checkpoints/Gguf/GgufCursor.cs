using System.Buffers.Binary;
using System.Text;
using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Checkpoints.Gguf;

/// <summary>Reads a GGUF file's header from front to back; every read is checked against the file's length.</summary>
internal sealed class GgufCursor(MappedFile file, long position)
{
    private static readonly UTF8Encoding Utf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>Where the next read begins, in bytes from the file's start.</summary>
    public long Position { get; private set; } = position;

    /// <summary>Bytes from here to the file's end.</summary>
    public long Left => file.Length - Position;

    /// <summary>A 4-byte number.</summary>
    public uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(4, what));

    /// <summary>An 8-byte number that must not exceed a limit.</summary>
    /// <exception cref="CheckpointException">It does, or the file ends before it.</exception>
    public long UInt64(string what, long most)
    {
        long at = Position;
        ulong value = BinaryPrimitives.ReadUInt64LittleEndian(Take(8, what));
        return value <= (ulong)most ? (long)value : throw Fault(at, $"found {value} for {what}, expected at most {most}");
    }

    /// <summary>A text: its length in 8 bytes, and so many of UTF-8.</summary>
    /// <exception cref="CheckpointException">It is longer than <paramref name="mostBytes"/>, no UTF-8, or beyond the file's end.</exception>
    public string Text(string what, int mostBytes) => Text(what, null, mostBytes);

    /// <summary>Texts, one after the other.</summary>
    /// <exception cref="CheckpointException">One is longer than <paramref name="mostBytes"/>, no UTF-8, or beyond the file's end.</exception>
    public string[] Texts(string what, int count, int mostBytes)
    {
        string[] texts = new string[count];
        for (int i = 0; i < count; i++) texts[i] = Text(what, i, mostBytes);
        return texts;
    }

    /// <summary>Steps over bytes.</summary>
    /// <exception cref="CheckpointException">The file ends before.</exception>
    public void Skip(long bytes, string what)
    {
        file.Address(Position, bytes, what);
        Position += bytes;
    }

    /// <summary>Steps over texts, one after the other.</summary>
    /// <exception cref="CheckpointException">The file ends before.</exception>
    public void SkipTexts(string what, int count)
    {
        for (int i = 0; i < count; i++) Skip(TextLength(what, null, file.Length), what);
    }

    /// <summary>The next bytes.</summary>
    public ReadOnlySpan<byte> Take(int bytes, string what)
    {
        ReadOnlySpan<byte> span = file.Span(Position, bytes, what);
        Position += bytes;
        return span;
    }

    /// <summary>An error at a place in the file.</summary>
    public CheckpointException Fault(long at, string what, Exception? cause = null) => new($"{file.Path}: at byte {at}: {what}", cause);

    // A vocabulary has hundreds of thousands of texts: what they are called is put together for a message alone.
    private string Text(string what, int? index, int mostBytes)
    {
        int length = (int)TextLength(what, index, mostBytes);
        long at = Position;
        ReadOnlySpan<byte> bytes = Take(length, what);
        try
        {
            return Utf8.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw Fault(at, $"{Name(what, index)} is no valid UTF-8", e);
        }
    }

    private long TextLength(string what, int? index, long most)
    {
        long at = Position;
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(Take(8, what));
        return length <= (ulong)most
            ? (long)length
            : throw Fault(at, $"found {length} for the length of {Name(what, index)}, expected at most {most}");
    }

    private static string Name(string what, int? index) => index is { } i ? $"{what}[{i}]" : what;
}
