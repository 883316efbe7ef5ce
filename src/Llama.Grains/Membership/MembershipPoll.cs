using Microsoft.Extensions.Logging;

namespace Llama.Grains.Membership;

/// <summary>
/// Looks at the membership document each second for as long as the inner host is a silo, and tells Orleans of what is new: it would look
/// itself only now and then, and what a document has lost must be back before.
/// </summary>
/// <param name="table">The silo's table.</param>
/// <param name="membership">Orleans' view.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Told of what must not happen.</param>
internal sealed partial class MembershipPoll(
    DocumentMembershipTable table, IClusterMembershipService membership, TimeProvider time, ILogger<MembershipPoll> logger)
    : ILifecycleParticipant<ISiloLifecycle>
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RefreshDeadline = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public void Participate(ISiloLifecycle lifecycle)
    {
        ArgumentNullException.ThrowIfNull(lifecycle);
        var ending = new CancellationTokenSource();
        Task polling = Task.CompletedTask;

        // After the table has been read for the first time, and before the silo joins.
        lifecycle.Subscribe(nameof(MembershipPoll), ServiceLifecycleStage.RuntimeGrainServices + 1, Start, StopAsync);

        Task Start(CancellationToken cancellationToken)
        {
            polling = Task.Run(() => PollAsync(ending.Token), CancellationToken.None);
            return Task.CompletedTask;
        }

        async Task StopAsync(CancellationToken cancellationToken)
        {
            await ending.CancelAsync().ConfigureAwait(false);
            await polling.ConfigureAwait(false);
        }
    }

    private async Task PollAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(Interval, time, cancellationToken).ConfigureAwait(false);
                var version = new MembershipVersion(await table.TendAsync(cancellationToken).ConfigureAwait(false));
                if (version > membership.CurrentSnapshot.Version)
                    await membership.Refresh(version, cancellationToken).AsTask().WaitAsync(RefreshDeadline, time, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is MembershipStoreException or TimeoutException)
            {
                // The document has said that the store is away; Orleans goes on with a refresh that takes longer.
            }
#pragma warning disable CA1031 // Without this loop a lost document would never be healed: whatever went wrong, it goes on.
            catch (Exception e)
#pragma warning restore CA1031
            {
                Log.Failed(logger, e);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Error, "The membership document could not be tended")]
        public static partial void Failed(ILogger logger, Exception exception);
    }
}
