using Llama.Grains.Links;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Directory;

/// <summary>
/// How silos join an embedded directory: one link from each, which carries its membership and then its heartbeats and their answers.
/// </summary>
public static partial class DirectoryLinks
{
    /// <summary>Time between heartbeats.</summary>
    public static readonly TimeSpan HeartbeatInterval = TimeSpan.FromSeconds(1);

    /// <summary>Serves a silo's link until it ends; its membership ends with it.</summary>
    /// <param name="stream">The link, before its handshake.</param>
    /// <param name="self">The gateway.</param>
    /// <param name="directory">What the silo joins.</param>
    /// <param name="logger">Told of joins and refusals.</param>
    /// <param name="cancellationToken">Ends the link.</param>
    public static async Task ServeAsync(
        Stream stream, LinkIdentity self, IDirectory directory, ILogger logger, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(directory);
        try
        {
            Member member;
            ILease lease;
            using (var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
            {
                deadline.CancelAfter(Handshake.Deadline);
                await Handshake.AnswerAsync(stream, self, deadline.Token).ConfigureAwait(false);
                await Handshake.AcceptAsync(stream, deadline.Token).ConfigureAwait(false);
                member = await Frames.ReadJsonAsync<Member>(stream, FrameKind.Join, deadline.Token).ConfigureAwait(false);
                try
                {
                    lease = directory.Join(member);
                }
                catch (DirectoryException e)
                {
                    await Handshake.RefuseAsync(stream, e.Message, deadline.Token).ConfigureAwait(false);
                    throw new LinkException(e.Message);
                }

                await Handshake.AcceptAsync(stream, deadline.Token).ConfigureAwait(false);
            }

            Log.Joined(logger, member.Name, member.Address);
            using (lease) await KeepAsync(stream, lease, cancellationToken).ConfigureAwait(false);
            Log.Left(logger, member.Name);
        }
        catch (LinkException e)
        {
            Log.Refused(logger, e.Message);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // Gone before it joined.
        }
    }

    /// <summary>Joins over a link whose stream is open, and sends heartbeats until it ends.</summary>
    /// <param name="stream">The link, before its handshake.</param>
    /// <param name="self">The silo.</param>
    /// <param name="member">What it announces.</param>
    /// <param name="joined">Called when the directory has taken the silo in.</param>
    /// <param name="time">Measures the gateway's silence.</param>
    /// <param name="cancellationToken">Leaves the cluster.</param>
    /// <exception cref="IOException">The directory refused, or the link broke.</exception>
    public static async Task JoinAsync(
        Stream stream, LinkIdentity self, Member member, Action joined, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(joined);
        using (var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
        {
            deadline.CancelAfter(Handshake.Deadline);
            await Handshake.DialAsync(stream, self, new LinkTarget(LinkPurpose.Join), deadline.Token).ConfigureAwait(false);
            await Frames.SendJsonAsync(stream, FrameKind.Join, member, deadline.Token).ConfigureAwait(false);
            (FrameKind kind, byte[] payload) = await Frames.ReadAsync(stream, Frames.MaxControlBytes, deadline.Token).ConfigureAwait(false);
            Frames.Expect(kind, FrameKind.Accepted, payload);
        }

        joined();
        byte[] heartbeat = new byte[Frames.HeaderBytes];
        Frames.WriteHeader(heartbeat, FrameKind.Heartbeat, 0);
        using var beat = new Beat("heartbeat", HeartbeatInterval, () => TrySend(stream, heartbeat));
        try
        {
            await Heartbeats.ReadAnswersAsync(stream, time, cancellationToken).ConfigureAwait(false);
        }
        catch (EndOfStreamException)
        {
            throw new IOException("The gateway closed the link.");
        }
    }

    private static bool TrySend(Stream stream, byte[] frame)
    {
        try
        {
            stream.Write(frame);
            stream.Flush();
            return true;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // Whoever reads from the link sees that it has ended.
            return false;
        }
    }

    private static async Task KeepAsync(Stream stream, ILease lease, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                deadline.CancelAfter(EmbeddedDirectory.LeaseTime * 2);
                (FrameKind kind, byte[] payload) = await Frames.ReadAsync(stream, 0, deadline.Token).ConfigureAwait(false);
                Frames.Expect(kind, FrameKind.Heartbeat, payload);
                if (!lease.Renew()) return;
                await Heartbeats.AnswerAsync(stream, deadline.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The silo is gone, or this process stops.
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "Silo {Silo} joined from {Address}")]
        public static partial void Joined(ILogger logger, string silo, string address);

        [LoggerMessage(2, LogLevel.Information, "Silo {Silo} left")]
        public static partial void Left(ILogger logger, string silo);

        [LoggerMessage(3, LogLevel.Warning, "A silo was refused: {Reason}")]
        public static partial void Refused(ILogger logger, string reason);
    }
}
