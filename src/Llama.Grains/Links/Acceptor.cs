using System.Net.Sockets;
using Llama.Model.Machine;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Links;

/// <summary>
/// Accepts connections as long as enough descriptors are left, and closes others at once. Whatever the system refuses, it goes on.
/// </summary>
/// <typeparam name="T">A connection.</typeparam>
/// <param name="accept">Waits for the next connection; null, or an exception that says so, when nobody listens any more.</param>
/// <param name="socketOf">The socket of a connection, which closes it.</param>
/// <param name="kept">Descriptors that a connection must leave.</param>
/// <param name="time">Measures the pauses.</param>
/// <param name="logger">Told when connections are refused.</param>
public sealed class Acceptor<T>(
    Func<CancellationToken, ValueTask<T?>> accept, Func<T, Socket> socketOf, int kept, TimeProvider time, ILogger logger)
    where T : class
{
    private static readonly TimeSpan PauseAfterFault = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan PauseBetweenWords = TimeSpan.FromSeconds(10);

    private long? saidAt;

    /// <summary>The next connection; null when nobody listens any more. One caller at a time.</summary>
    /// <param name="cancellationToken">Ends the wait, with null.</param>
    public async ValueTask<T?> AcceptAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            string reason;
            try
            {
                if (await accept(cancellationToken).ConfigureAwait(false) is not { } connection) return null;
                Socket socket = socketOf(connection);
                if (Descriptors.Leaves(socket, kept)) return connection;
                socket.Dispose();
                reason = $"fewer than {kept} are left";
            }
            catch (Exception e) when (
                e is OperationCanceledException or ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted })
            {
                return null;
            }
#pragma warning disable CA1031 // Out of sockets or memory, perhaps: that lasts, and is no reason to end or to spin.
            catch (Exception e)
#pragma warning restore CA1031
            {
                reason = e.Message;
                await Task.Delay(PauseAfterFault, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            Say(reason);
        }

        return null;
    }

    private void Say(string reason)
    {
        if (saidAt is { } at && time.GetElapsedTime(at) < PauseBetweenWords) return;
        saidAt = time.GetTimestamp();
        AcceptorLog.Refused(logger, Descriptors.Limit, reason);
    }
}

/// <summary>What acceptors say.</summary>
internal static partial class AcceptorLog
{
    [LoggerMessage(1, LogLevel.Warning, "Connections are refused; this process may have {Descriptors} descriptors (ulimit -n): {Reason}")]
    public static partial void Refused(ILogger logger, int? descriptors, string reason);
}
