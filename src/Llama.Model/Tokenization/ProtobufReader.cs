using System.Buffers.Binary;
using System.Text;
using Llama.Model.Checkpoints;

namespace Llama.Model.Tokenization;

/// <summary>
/// Reads the fields of one protobuf message (protobuf.dev, "Encoding"), as far as SentencePiece's model needs it: varints, 32-bit numbers
/// and byte strings. Never reads beyond its message; nested messages are readers of their own.
/// </summary>
/// <param name="message">The message's bytes.</param>
/// <param name="name">What is read, for messages of exceptions: a file, and what in it.</param>
internal ref struct ProtobufReader(ReadOnlySpan<byte> message, string name)
{
    private const int Varint = 0;
    private const int Fixed64 = 1;
    private const int Bytes = 2;
    private const int Fixed32 = 5;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private ReadOnlySpan<byte> rest = message;
    private int wireType;

    /// <summary>The number of the field whose value comes next.</summary>
    public int Field { get; private set; }

    /// <summary>Goes to the next field; the value of the one before must have been read or skipped.</summary>
    /// <returns>False at the end of the message.</returns>
    public bool ReadField()
    {
        if (rest.IsEmpty) return false;
        ulong tag = TakeVarint();
        if (tag >> 3 is 0 or > (1 << 29) - 1) throw Malformed($"field number {tag >> 3} is out of range");
        Field = (int)(tag >> 3);
        wireType = (int)(tag & 7);
        return true;
    }

    /// <summary>An unsigned number, an enumeration's value or a negative number in two's complement.</summary>
    public long ReadVarint()
    {
        Expect(Varint);
        return (long)TakeVarint();
    }

    /// <summary>A truth value.</summary>
    public bool ReadBool() => ReadVarint() != 0;

    /// <summary>A 32-bit floating-point number.</summary>
    public float ReadFloat()
    {
        Expect(Fixed32);
        return BinaryPrimitives.ReadSingleLittleEndian(Take(sizeof(float)));
    }

    /// <summary>A byte string or a nested message.</summary>
    public ReadOnlySpan<byte> ReadBytes()
    {
        Expect(Bytes);
        return Take(TakeVarint());
    }

    /// <summary>A text.</summary>
    public string ReadString()
    {
        try
        {
            return StrictUtf8.GetString(ReadBytes());
        }
        catch (DecoderFallbackException exception)
        {
            throw Malformed($"field {Field} is not valid UTF-8", exception);
        }
    }

    /// <summary>Passes over a field that nobody needs.</summary>
    public void Skip()
    {
        switch (wireType)
        {
            case Varint:
                TakeVarint();
                break;
            case Fixed64:
                Take(sizeof(ulong));
                break;
            case Bytes:
                Take(TakeVarint());
                break;
            case Fixed32:
                Take(sizeof(uint));
                break;
            default:
                throw Malformed($"field {Field} has wire type {wireType}, expected 0, 1, 2 or 5");
        }
    }

    private readonly void Expect(int expected)
    {
        if (wireType != expected) throw Malformed($"field {Field} has wire type {wireType}, expected {expected}");
    }

    private ulong TakeVarint()
    {
        ulong value = 0;
        for (int i = 0; i < 10 && i < rest.Length; i++)
        {
            value |= (ulong)(rest[i] & 0x7F) << (7 * i);
            if (rest[i] >= 0x80) continue;
            rest = rest[(i + 1)..];
            return value;
        }
        throw Malformed(rest.Length < 10 ? "ends inside a number" : "has a number of more than ten bytes");
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)rest.Length) throw Malformed($"field {Field} has {length} bytes, but only {rest.Length} are left");
        ReadOnlySpan<byte> taken = rest[..(int)length];
        rest = rest[(int)length..];
        return taken;
    }

    private readonly CheckpointException Malformed(string what, Exception? inner = null) =>
        new($"{name} is not a well-formed SentencePiece model: {what}.", inner);
}
