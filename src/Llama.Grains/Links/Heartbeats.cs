namespace Llama.Grains.Links;

/// <summary>
/// How a silo notices a gateway that vanished without closing its links: of a link on which it gives heartbeats each is answered. TCP
/// alone would wait for many minutes, and longer the longer nobody answers (RFC 6298, section 5.5), also when the gateway is back.
/// </summary>
internal static class Heartbeats
{
    /// <summary>
    /// After so long without an answer the gateway is gone. A gateway that stood still for a moment is not worth a new pipeline.
    /// </summary>
    public static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(10);

    /// <summary>Answers a heartbeat.</summary>
    public static ValueTask AnswerAsync(Stream stream, CancellationToken cancellationToken) =>
        Frames.SendAsync(stream, FrameKind.HeartbeatAnswer, ReadOnlyMemory<byte>.Empty, cancellationToken);

    /// <summary>Reads answers until the link ends.</summary>
    /// <param name="stream">The link, after its handshake.</param>
    /// <param name="time">Measures the gateway's silence.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="LinkException">The gateway was silent for too long, or said what it may not.</exception>
    /// <exception cref="IOException">The link closed.</exception>
    public static async Task ReadAnswersAsync(Stream stream, TimeProvider time, CancellationToken cancellationToken)
    {
        while (true)
        {
            using var silence = new CancellationTokenSource(LongestSilence, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, silence.Token);
            try
            {
                (FrameKind kind, _) = await Frames.ReadAsync(stream, 0, either.Token).ConfigureAwait(false);
                Frames.Expect(kind, FrameKind.HeartbeatAnswer, []);
            }
            catch (OperationCanceledException) when (silence.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                throw new LinkException($"The gateway has been silent for {LongestSilence.TotalSeconds:0} s.");
            }
        }
    }
}
