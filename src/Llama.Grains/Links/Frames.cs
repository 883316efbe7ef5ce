using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace Llama.Grains.Links;

/// <summary>What a frame carries.</summary>
public enum FrameKind : byte
{
    /// <summary>The dialler's hello (JSON).</summary>
    Hello = 1,

    /// <summary>The listener's answer to it (JSON).</summary>
    Welcome = 2,

    /// <summary>A side's proof that it has the cluster key.</summary>
    Proof = 3,

    /// <summary>The handshake is complete.</summary>
    Accepted = 4,

    /// <summary>The other side will not go on; a sentence why (UTF-8). The link closes.</summary>
    Refused = 5,

    /// <summary>A member is alive.</summary>
    HeartbeatAnswer = 11,

    /// <summary>A step and, between stages, its hidden states.</summary>
    Step = 30,

    /// <summary>The tokens sampled at the end of a step.</summary>
    Result = 31,

    /// <summary>A stage failed; a sentence why (UTF-8).</summary>
    Failure = 32,

    /// <summary>A stage's process is alive; how far the stage is.</summary>
    StageHeartbeat = 33,
}

/// <summary>The link broke its protocol: the link closes, and nothing else.</summary>
public sealed class LinkException : IOException
{
    /// <summary>The link broke its protocol.</summary>
    /// <param name="message">What was found and what was expected.</param>
    public LinkException(string message)
        : base(message)
    {
    }
}

/// <summary>
/// Frames over a stream: the payload's length as a 32-bit little-endian number, one byte that says what it is, the payload. Lengths are
/// checked against a bound before anything is allocated.
/// </summary>
public static class Frames
{
    /// <summary>Bytes before the payload.</summary>
    public const int HeaderBytes = 5;

    /// <summary>Longest payload of a frame that is read as a whole.</summary>
    public const int MaxControlBytes = 1 << 20;

    /// <summary>A message without one of its fields, or with null for one that cannot be, is no such message.</summary>
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>Writes the bytes before a payload.</summary>
    public static void WriteHeader(Span<byte> target, FrameKind kind, int payloadBytes)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target, payloadBytes);
        target[4] = (byte)kind;
    }

    /// <summary>Sends one frame.</summary>
    public static async ValueTask SendAsync(
        Stream stream, FrameKind kind, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stream);
        byte[] frame = new byte[HeaderBytes + payload.Length];
        WriteHeader(frame, kind, payload.Length);
        payload.CopyTo(frame.AsMemory(HeaderBytes));
        await stream.WriteAsync(frame, cancellationToken).ConfigureAwait(false);
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A message as JSON.</summary>
    public static byte[] Encode<T>(T message) => JsonSerializer.SerializeToUtf8Bytes(message, Json);

    /// <summary>What the bytes before a payload say.</summary>
    /// <param name="header">At least <see cref="HeaderBytes"/> bytes.</param>
    /// <param name="maxBytes">Longest payload allowed.</param>
    /// <exception cref="LinkException">The length is out of bounds.</exception>
    public static (FrameKind Kind, int Bytes) ParseHeader(ReadOnlySpan<byte> header, int maxBytes)
    {
        int bytes = BinaryPrimitives.ReadInt32LittleEndian(header);
        if (bytes < 0 || bytes > maxBytes) throw new LinkException($"A frame announces {(uint)bytes} bytes; expected at most {maxBytes}.");
        return ((FrameKind)header[4], bytes);
    }

    /// <summary>Reads one frame as a whole.</summary>
    /// <exception cref="LinkException">It is longer than allowed.</exception>
    /// <exception cref="EndOfStreamException">The other side closed the link.</exception>
    public static async ValueTask<(FrameKind Kind, byte[] Payload)> ReadAsync(
        Stream stream, int maxBytes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stream);
        byte[] header = new byte[HeaderBytes];
        await stream.ReadExactlyAsync(header, cancellationToken).ConfigureAwait(false);
        (FrameKind kind, int bytes) = ParseHeader(header, maxBytes);
        byte[] payload = new byte[bytes];
        await stream.ReadExactlyAsync(payload, cancellationToken).ConfigureAwait(false);
        return (kind, payload);
    }

    /// <summary>Waits on a link whose other side speaks only to say that it failed.</summary>
    /// <returns>What it said; null when the link closed without a word.</returns>
    public static async Task<string?> ReadFailureAsync(Stream stream, CancellationToken cancellationToken)
    {
        try
        {
            (FrameKind kind, byte[] payload) = await ReadAsync(stream, MaxControlBytes, cancellationToken).ConfigureAwait(false);
            return kind == FrameKind.Failure ? Encoding.UTF8.GetString(payload) : $"A frame of kind {kind} came; expected none.";
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Throws unless a frame is of the expected kind; a refusal's reason becomes the message.</summary>
    /// <exception cref="LinkException">It is of another kind.</exception>
    public static void Expect(FrameKind found, FrameKind expected, ReadOnlySpan<byte> payload)
    {
        if (found == FrameKind.Refused) throw new LinkException(Encoding.UTF8.GetString(payload));
        if (found != expected) throw new LinkException($"A frame of kind {found} came; expected {expected}.");
    }

    /// <summary>Parses a JSON message.</summary>
    /// <exception cref="LinkException">The payload is no such message.</exception>
    public static T Parse<T>(FrameKind kind, ReadOnlySpan<byte> payload)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(payload, Json)
                ?? throw new LinkException($"A {kind} frame is null; expected {typeof(T).Name}.");
        }
        catch (JsonException e)
        {
            throw new LinkException($"A {kind} frame is not {typeof(T).Name}: {e.Message}");
        }
    }
}
