using System.Runtime.CompilerServices;
using Llama.Model.Layers;

namespace Llama.Grains.Links;

/// <summary>
/// Sends steps and results, one at a time. A frame is written into a buffer that is kept, hidden states behind it if there is room, and
/// then goes out in one piece: nothing is allocated, and the other side wakes up once.
/// </summary>
public sealed class FrameWriter
{
    /// <summary>More than this is not worth copying.</summary>
    private const int MaxCopiedBytes = 1 << 16;

    private byte[] buffer = new byte[2 * MaxCopiedBytes];

    /// <summary>Sends a step.</summary>
    /// <param name="stream">The link.</param>
    /// <param name="step">The step.</param>
    /// <param name="hiddenStates">Its hidden states; empty into the first stage.</param>
    /// <param name="cancellationToken">Gives up, in the middle of the frame perhaps.</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask SendAsync(Stream stream, Step step, ReadOnlyMemory<byte> hiddenStates, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stream);
        int bytes = StepCodec.Bytes(step);
        StepCodec.Write(step, Begin(FrameKind.Step, bytes, hiddenStates.Length));
        int length = Frames.HeaderBytes + bytes;
        LinkTraffic.Sent(length + hiddenStates.Length);
        if (hiddenStates.Length <= Math.Min(MaxCopiedBytes, buffer.Length - length))
        {
            hiddenStates.CopyTo(buffer.AsMemory(length));
            length += hiddenStates.Length;
            hiddenStates = default;
        }

        await stream.WriteAsync(buffer.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
        if (hiddenStates.Length > 0) await stream.WriteAsync(hiddenStates, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends a result.</summary>
    /// <param name="stream">The link.</param>
    /// <param name="result">The result.</param>
    /// <param name="cancellationToken">Gives up, in the middle of the frame perhaps.</param>
    public ValueTask SendAsync(Stream stream, StepResult result, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stream);
        int bytes = ResultCodec.Bytes(result);
        ResultCodec.Write(result, Begin(FrameKind.Result, bytes, 0));
        LinkTraffic.Sent(Frames.HeaderBytes + bytes);
        return stream.WriteAsync(buffer.AsMemory(0, Frames.HeaderBytes + bytes), cancellationToken);
    }

    /// <summary>Writes the header, and returns the place for what follows it in the buffer.</summary>
    private Span<byte> Begin(FrameKind kind, int bytes, int bytesBehind)
    {
        if (buffer.Length < Frames.HeaderBytes + bytes) buffer = new byte[Frames.HeaderBytes + bytes];
        Frames.WriteHeader(buffer, kind, bytes + bytesBehind);
        return buffer.AsSpan(Frames.HeaderBytes, bytes);
    }
}
