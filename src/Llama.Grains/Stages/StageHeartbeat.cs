using Llama.Grains.Links;
using Llama.Model.Layers;
using Llama.Model.Machine;

namespace Llama.Grains.Stages;

/// <summary>
/// A stage's heartbeats. A thread of its own sends them, so that neither busy compute threads nor a full thread pool keep them back; the
/// gateway answers each, and so this side notices a gateway that vanished without closing its links.
/// </summary>
internal static class StageHeartbeat
{
    /// <summary>Time between two signs.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(0.5);

    /// <summary>Sends heartbeats until the link ends; closes it then.</summary>
    /// <param name="stream">The link, after its handshake.</param>
    /// <param name="progress">How far the stage is; called by the thread.</param>
    /// <param name="time">Measures the gateway's silence.</param>
    /// <param name="cancellationToken">Ends the link.</param>
    /// <exception cref="LinkException">The gateway was silent for too long, or said what it may not.</exception>
    /// <exception cref="IOException">The link closed, or the system gives the process no further thread.</exception>
    public static async Task SendAsync(
        Stream stream, Func<RangeProgress> progress, TimeProvider time, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task sending = OwnThread.Start("heartbeat", () => Send(stream, progress, ended));
        try
        {
            await Heartbeats.ReadAnswersAsync(stream, time, ended.Token).ConfigureAwait(false);
        }
        finally
        {
            // A write that waits ends with the stream.
            await ended.CancelAsync().ConfigureAwait(false);
            await stream.DisposeAsync().ConfigureAwait(false);
            await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static void Send(Stream stream, Func<RangeProgress> progress, CancellationTokenSource ended)
    {
        byte[] frame = new byte[Frames.HeaderBytes + StageHeartbeatCodec.Bytes];
        Frames.WriteHeader(frame, FrameKind.StageHeartbeat, StageHeartbeatCodec.Bytes);
        try
        {
            do
            {
                StageHeartbeatCodec.Write(progress(), frame.AsSpan(Frames.HeaderBytes));
                stream.Write(frame);
            }
            while (!ended.Token.WaitHandle.WaitOne(Interval));
        }
        finally
        {
            // Without heartbeats the gateway counts the stage as lost: that the link closes tells it at once.
            ended.Cancel();
        }
    }
}
