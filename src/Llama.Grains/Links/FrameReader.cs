using System.Runtime.CompilerServices;

namespace Llama.Grains.Links;

/// <summary>
/// Reads the frames of a link that carries steps or results. It takes from the link what is there, into one buffer that it keeps, so that
/// a frame costs few calls of the system and no allocation. From then on nobody else may read from the link.
/// </summary>
/// <param name="stream">The link.</param>
public sealed class FrameReader(Stream stream)
{
    private byte[] buffer = new byte[1 << 16];
    private int start;
    private int end;

    /// <summary>Reads what comes before a payload.</summary>
    /// <param name="maxBytes">Longest payload allowed.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="LinkException">The length is out of bounds.</exception>
    /// <exception cref="EndOfStreamException">The other side closed the link.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<(FrameKind Kind, int Bytes)> ReadHeaderAsync(int maxBytes, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> header = await ReadAsync(Frames.HeaderBytes, cancellationToken).ConfigureAwait(false);
        return Frames.ParseHeader(header.Span, maxBytes);
    }

    /// <summary>Reads one frame as a whole.</summary>
    /// <param name="maxBytes">Longest payload allowed.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Its kind, and the payload, which is valid until the next call.</returns>
    /// <exception cref="LinkException">It is longer than allowed.</exception>
    /// <exception cref="EndOfStreamException">The other side closed the link.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<(FrameKind Kind, ReadOnlyMemory<byte> Payload)> ReadFrameAsync(int maxBytes, CancellationToken cancellationToken)
    {
        (FrameKind kind, int bytes) = await ReadHeaderAsync(maxBytes, cancellationToken).ConfigureAwait(false);
        return (kind, await ReadAsync(bytes, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Reads the next bytes, which are valid until the next call.</summary>
    /// <exception cref="EndOfStreamException">The other side closed the link.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(int bytes, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> next = await PeekAsync(bytes, cancellationToken).ConfigureAwait(false);
        start += bytes;
        return next;
    }

    /// <summary>Waits for the next bytes, valid until the next call, and leaves them to be read.</summary>
    /// <exception cref="EndOfStreamException">The other side closed the link.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<ReadOnlyMemory<byte>> PeekAsync(int bytes, CancellationToken cancellationToken)
    {
        if (start == end) start = end = 0;
        while (end - start < bytes)
        {
            if (buffer.Length - start < bytes && (start > 0 || end == buffer.Length)) MakeRoom(bytes);
            end += await ReceiveAsync(buffer.AsMemory(end), cancellationToken).ConfigureAwait(false);
        }

        return buffer.AsMemory(start, bytes);
    }

    /// <summary>Reads the next bytes to where they belong.</summary>
    /// <exception cref="EndOfStreamException">The other side closed the link.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask ReadAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        int here = Math.Min(target.Length, end - start);
        buffer.AsMemory(start, here).CopyTo(target);
        start += here;
        for (target = target[here..]; target.Length > 0;)
            target = target[await ReceiveAsync(target, cancellationToken).ConfigureAwait(false)..];
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> ReceiveAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        int bytes = await stream.ReadAsync(target, cancellationToken).ConfigureAwait(false);
        if (bytes == 0) throw new EndOfStreamException("The other side closed the link.");
        LinkTraffic.Received(bytes);
        return bytes;
    }

    /// <summary>
    /// Moves what has not been read to the front, of a larger buffer once this one is full: no announcement makes it larger than twice what
    /// has come.
    /// </summary>
    private void MakeRoom(int bytes)
    {
        byte[] target = end - start < buffer.Length ? buffer : new byte[Math.Min(bytes, 2 * buffer.Length)];
        buffer.AsSpan(start, end - start).CopyTo(target);
        (buffer, start, end) = (target, 0, end - start);
    }
}
