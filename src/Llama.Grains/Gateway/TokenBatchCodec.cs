using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Llama.Grains.Answers;
using Llama.Grains.Generation;

namespace Llama.Grains.Gateway;

/// <summary>
/// The items of a <see cref="TokenBatch"/>, little-endian: the request's number (4) and what follows (1): 0 for a token, written as in an
/// <see cref="AnswerRecord"/>, or 1 for the fault that ended the request: the kind (1), milliseconds until it may be tried again (4; -1 for
/// none), the length of the sentence (4) and the sentence in UTF-8.
/// </summary>
public static class TokenBatchCodec
{
    private const int HeaderBytes = 5;
    private const int FaultBytes = 9;
    private const byte TokenKind = 0;
    private const byte FaultKind = 1;

    /// <summary>Adds a token.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="request">The request's number.</param>
    /// <param name="token">The token.</param>
    public static void Write(IBufferWriter<byte> target, int request, GeneratedToken token)
    {
        WriteHeader(target, request, TokenKind);
        AnswerRecord.WriteToken(target, 0, token);
    }

    /// <summary>Adds the fault that ended a request.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="request">The request's number.</param>
    /// <param name="fault">The fault.</param>
    public static void Write(IBufferWriter<byte> target, int request, GenerationException fault)
    {
        ArgumentNullException.ThrowIfNull(fault);
        WriteHeader(target, request, FaultKind);
        byte[] sentence = Encoding.UTF8.GetBytes(fault.Message);
        Span<byte> bytes = target.GetSpan(FaultBytes + sentence.Length);
        bytes[0] = (byte)fault.Error;
        BinaryPrimitives.WriteInt32LittleEndian(
            bytes[1..], fault.RetryAfter is { } wait ? (int)Math.Clamp(wait.TotalMilliseconds, 0, int.MaxValue) : -1);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[5..], sentence.Length);
        sentence.CopyTo(bytes[FaultBytes..]);
        target.Advance(FaultBytes + sentence.Length);
    }

    /// <summary>Reads the first item.</summary>
    /// <param name="source">The rest of a batch; advanced behind the item.</param>
    /// <param name="request">The request's number.</param>
    /// <param name="fault">The fault that ended it; null for a token.</param>
    /// <returns>The token; null for a fault.</returns>
    /// <exception cref="InvalidDataException">The bytes are no item.</exception>
    public static GeneratedToken? Read(ref ReadOnlySpan<byte> source, out int request, out GenerationException? fault)
    {
        if (source.Length < HeaderBytes) throw Bad();
        request = BinaryPrimitives.ReadInt32LittleEndian(source);
        byte kind = source[4];
        source = source[HeaderBytes..];
        fault = null;
        if (kind == TokenKind) return AnswerRecord.TryReadToken(ref source, int.MaxValue, out GeneratedToken? token) ? token : throw Bad();
        if (kind != FaultKind || source.Length < FaultBytes) throw Bad();
        int length = BinaryPrimitives.ReadInt32LittleEndian(source[5..]);
        int wait = BinaryPrimitives.ReadInt32LittleEndian(source[1..]);
        if (length < 0 || source.Length - FaultBytes < length || source[0] > (byte)GenerationError.Unavailable) throw Bad();
        fault = new GenerationException(
            (GenerationError)source[0], Encoding.UTF8.GetString(source.Slice(FaultBytes, length)),
            wait < 0 ? null : TimeSpan.FromMilliseconds(wait));
        source = source[(FaultBytes + length)..];
        return null;
    }

    private static void WriteHeader(IBufferWriter<byte> target, int request, byte kind)
    {
        Span<byte> bytes = target.GetSpan(HeaderBytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes, request);
        bytes[4] = kind;
        target.Advance(HeaderBytes);
    }

    private static InvalidDataException Bad() => new("A batch of tokens ends in the middle of an item, or has a kind of item that is not known.");
}
