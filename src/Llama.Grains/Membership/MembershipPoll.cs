using Microsoft.Extensions.Logging;

namespace Llama.Grains.Membership;

/// <summary>
/// Keeps Orleans' view and the document together for as long as the inner host is a silo. Each second it looks at the document, and tells
/// Orleans of what is new: Orleans would look itself only now and then, and what a document has lost must be back before. And it
/// tells the document of what Orleans hears from other silos.
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
        Task running = Task.CompletedTask;

        // After the table has been read for the first time, and before the silo joins.
        lifecycle.Subscribe(nameof(MembershipPoll), ServiceLifecycleStage.RuntimeGrainServices + 1, Start, StopAsync);

        Task Start(CancellationToken cancellationToken)
        {
            running = Task.WhenAll(
                Task.Run(() => PollAsync(ending.Token), CancellationToken.None), Task.Run(() => HearAsync(ending.Token), CancellationToken.None));
            return Task.CompletedTask;
        }

        async Task StopAsync(CancellationToken cancellationToken)
        {
            await ending.CancelAsync().ConfigureAwait(false);
            await running.ConfigureAwait(false);
        }
    }

    private async Task PollAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            await TryAsync(
                async () =>
                {
                    await Task.Delay(Interval, time, cancellationToken).ConfigureAwait(false);
                    var version = new MembershipVersion(await table.TendAsync(cancellationToken).ConfigureAwait(false));
                    if (version <= membership.CurrentSnapshot.Version) return;
                    Task refresh = membership.Refresh(version, cancellationToken).AsTask();
                    await refresh.WaitAsync(RefreshDeadline, time, cancellationToken).ConfigureAwait(false);
                },
                cancellationToken).ConfigureAwait(false);
        }
    }

    private Task HearAsync(CancellationToken cancellationToken) => TryAsync(
        async () =>
        {
            await foreach (ClusterMembershipSnapshot snapshot in membership.MembershipUpdates.WithCancellation(cancellationToken).ConfigureAwait(false))
                await TryAsync(() => table.HearAsync(snapshot, cancellationToken), cancellationToken).ConfigureAwait(false);
        },
        cancellationToken);

    private async Task TryAsync(Func<Task> call, CancellationToken cancellationToken)
    {
        try
        {
            await call().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The silo stops.
        }
        catch (Exception e) when (e is MembershipStoreException or TimeoutException)
        {
            // The document has said that the store is away; Orleans goes on with a refresh that takes longer.
        }
#pragma warning disable CA1031 // Without these loops a lost document would never be healed: whatever went wrong, they go on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.Failed(logger, e);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Error, "The membership document could not be tended")]
        public static partial void Failed(ILogger logger, Exception exception);
    }
}
