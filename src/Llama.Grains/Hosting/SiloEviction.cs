using Microsoft.Extensions.Logging;

namespace Llama.Grains.Hosting;

/// <summary>Has a silo declared dead by the cluster, for a peer that knows for certain that it is gone.</summary>
/// <param name="silo">This process as a silo.</param>
/// <param name="logger">Told of each eviction.</param>
public sealed partial class SiloEviction(OrleansSilo silo, ILogger<SiloEviction> logger)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CheckPause = TimeSpan.FromMilliseconds(20);

    /// <summary>
    /// Evicts a silo and waits until this process's view has it dead. Nothing is asked of Orleans while the membership table cannot be
    /// read, or for a silo that is not in it: Orleans would keep such a wish and repeat it for ever, before all others.
    /// </summary>
    /// <param name="address">The incarnation of a silo to evict.</param>
    /// <param name="reason">Why, for the log.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Whether it is dead now; false, too, when this process is no member itself or the table is away.</returns>
    public async Task<bool> TryEvictAsync(SiloAddress address, string reason, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(address);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(Limit);
        try
        {
            IClusterMembershipService membership = silo.Membership;
            await membership.Refresh(cancellationToken: deadline.Token).ConfigureAwait(false);
            if (IsDead(membership, address)) return true;
            if (!membership.CurrentSnapshot.Members.ContainsKey(address)) return false;
            Log.Evicting(logger, address, reason);
            await membership.TryKill(address).ConfigureAwait(false);
            while (!IsDead(membership, address)) await Task.Delay(CheckPause, deadline.Token).ConfigureAwait(false);
            return true;
        }
#pragma warning disable CA1031 // A table may fail in any way.
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
#pragma warning restore CA1031
        {
            Log.NotEvicted(logger, address, e.Message);
            return false;
        }
    }

    private static bool IsDead(IClusterMembershipService membership, SiloAddress address) =>
        membership.CurrentSnapshot.GetSiloStatus(address) == SiloStatus.Dead;

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "Evicting {Silo}: {Reason}")]
        public static partial void Evicting(ILogger logger, SiloAddress silo, string reason);

        [LoggerMessage(2, LogLevel.Warning, "{Silo} is not evicted: {Reason}")]
        public static partial void NotEvicted(ILogger logger, SiloAddress silo, string reason);
    }
}
