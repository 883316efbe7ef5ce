using System.Collections.Concurrent;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Hosting;

/// <summary>
/// Has the cluster declare a silo dead whose process is gone, sooner than Orleans' probes see it, which take 1 to 3 s. Only one proof
/// counts: the machine of the silo refuses connections to its port, while another silo answers this one. A silo that is silent may just be cut
/// off, and is left to the probes.
/// </summary>
/// <param name="host">This process as a silo.</param>
/// <param name="time">Measures pauses.</param>
/// <param name="logger">Told of each eviction.</param>
public sealed partial class PeerEviction(OrleansSilo host, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    /// <summary>A machine that is there answers within this time, be it with a refusal.</summary>
    private static readonly TimeSpan DialDeadline = TimeSpan.FromSeconds(0.5);

    /// <summary>A process that ends closes its links and its port within this time, in any order.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(0.1);

    private static readonly TimeSpan KillDeadline = TimeSpan.FromSeconds(5);

    private const int Dials = 4;

    /// <summary>Evictions are rare: more within <see cref="Window"/> are left to the probes.</summary>
    private const int MostEvictions = 8;

    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly CancellationTokenSource stopping = new();
    private readonly ConcurrentDictionary<SiloAddress, Task> suspicions = new();
    private readonly Lock gate = new();
    private readonly Queue<long> evictions = new();

    /// <summary>What a dial found.</summary>
    private enum Answer
    {
        Silence,
        Refused,
        Connected,
    }

    /// <summary>A link to a silo has closed: looks in the background whether it is gone. While it is looked at, it is not looked at again.</summary>
    /// <param name="silo">The silo, and which incarnation.</param>
    public void Suspect(SiloAddress silo)
    {
        ArgumentNullException.ThrowIfNull(silo);
        if (stopping.IsCancellationRequested) return;
        var begin = new Task<Task>(() => LookAsync(silo));
        if (suspicions.TryAdd(silo, begin.Unwrap())) begin.Start(TaskScheduler.Default);
    }

    /// <summary>Evicts a silo if its process is gone.</summary>
    /// <param name="silo">The silo, and which incarnation.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Whether it is declared dead because of this call.</returns>
    public async Task<bool> TryEvictAsync(SiloAddress silo, CancellationToken cancellationToken)
    {
        if (!IsThere(silo) || !await IsRefusedAsync(silo, cancellationToken).ConfigureAwait(false)) return false;

        // A refusal counts only where this process is not the one that is cut off, and once more, now that it has been found.
        if (!await HasWitnessAsync(silo, cancellationToken).ConfigureAwait(false)
            || await DialAsync(silo, cancellationToken).ConfigureAwait(false) != Answer.Refused || !IsThere(silo))
            return false;
        if (!MayEvict())
        {
            Log.TooMany(logger, silo, MostEvictions, Window.TotalSeconds);
            return false;
        }

        IClusterMembershipService membership = host.Membership;
        bool killed = await membership.TryKill(silo).WaitAsync(KillDeadline, time, cancellationToken).ConfigureAwait(false);
        if (killed) Log.Evicted(logger, silo);
        else Log.NotEvicted(logger, silo, membership.CurrentSnapshot.GetSiloStatus(silo));
        return killed;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(suspicions.Values).ConfigureAwait(false);
        stopping.Dispose();
    }

    private async Task LookAsync(SiloAddress silo)
    {
        try
        {
            await TryEvictAsync(silo, stopping.Token).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // A failure is a value: the probes will see to it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (!stopping.IsCancellationRequested) Log.Failed(logger, silo, e.Message);
        }
        finally
        {
            suspicions.TryRemove(silo, out _);
        }
    }

    /// <summary>Whether the very incarnation is a member, and another silo.</summary>
    private bool IsThere(SiloAddress silo) =>
        host.Incarnation is { } self && !self.Address.Equals(silo) && host.View.Silos.Any(member => member.Address.Equals(silo));

    /// <summary>Whether nobody listens any more. A process that ends may answer for a moment; one that answers on is dropped.</summary>
    private async Task<bool> IsRefusedAsync(SiloAddress silo, CancellationToken cancellationToken)
    {
        for (int dial = 0; dial < Dials; dial++)
        {
            if (dial > 0) await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
            Answer answer = await DialAsync(silo, cancellationToken).ConfigureAwait(false);
            if (answer != Answer.Connected) return answer == Answer.Refused;
        }

        return false;
    }

    private async Task<bool> HasWitnessAsync(SiloAddress silo, CancellationToken cancellationToken)
    {
        SiloAddress? self = host.Incarnation?.Address;
        List<Task<Answer>> dials = [.. host.View.Silos.Select(member => member.Address)
            .Where(other => !other.Equals(silo) && !other.Equals(self)).Select(other => DialAsync(other, cancellationToken))];
        while (dials.Count > 0)
        {
            Task<Answer> first = await Task.WhenAny(dials).ConfigureAwait(false);
            if (await first.ConfigureAwait(false) == Answer.Connected) return true;
            dials.Remove(first);
        }

        return false;
    }

    private static async Task<Answer> DialAsync(SiloAddress silo, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(DialDeadline);
        using var socket = new Socket(silo.Endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(silo.Endpoint, deadline.Token).ConfigureAwait(false);
            return Answer.Connected;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode == SocketError.ConnectionRefused ? Answer.Refused : Answer.Silence;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Answer.Silence;
        }
    }

    private bool MayEvict()
    {
        lock (gate)
        {
            while (evictions.TryPeek(out long first) && time.GetElapsedTime(first) >= Window) evictions.Dequeue();
            if (evictions.Count >= MostEvictions) return false;
            evictions.Enqueue(time.GetTimestamp());
            return true;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "Silo {Silo} is declared dead: its links closed, and its machine refuses connections to its port")]
        public static partial void Evicted(ILogger logger, SiloAddress silo);

        [LoggerMessage(2, LogLevel.Information, "Silo {Silo} is gone and was not declared dead by this process: it is {Status}")]
        public static partial void NotEvicted(ILogger logger, SiloAddress silo, SiloStatus status);

        [LoggerMessage(3, LogLevel.Warning, "Silo {Silo} is gone and is left to Orleans' probes: {Count} others were declared dead within {Seconds} s")]
        public static partial void TooMany(ILogger logger, SiloAddress silo, int count, double seconds);

        [LoggerMessage(4, LogLevel.Debug, "Whether silo {Silo} is gone could not be found out: {Reason}")]
        public static partial void Failed(ILogger logger, SiloAddress silo, string reason);
    }
}
