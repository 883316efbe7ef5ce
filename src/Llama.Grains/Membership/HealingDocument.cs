using Microsoft.Extensions.Logging;

namespace Llama.Grains.Membership;

/// <summary>
/// A process's view of the membership document, which never goes back: where the document is lost, replaced or set back, what this process
/// knew is written into it again before anybody reads it. Orleans must not see a bad view once: a silo ends itself when a newer
/// version lacks its row, and takes a peer for dead whose row is missing.
/// </summary>
/// <remarks>
/// It belongs to the outer host, so that the view outlives the inner hosts. One semaphore is around each read and write: an
/// older read that ended after a newer one would look like a lost document.
/// </remarks>
public sealed partial class HealingDocument : IDisposable
{
    private const int MaxAttempts = 100;
    private const int MaxShown = 60;
    private const int MaxReasons = 4;

    /// <summary>
    /// How long a document that is missing is waited for before a cluster is begun: silos that run look each second, and each has what the
    /// document said.
    /// </summary>
    private static readonly TimeSpan LostDocumentWait = TimeSpan.FromSeconds(2.5);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly SemaphoreSlim gate = new(1);
    private readonly IMembershipDocument document;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private MembershipState? last;
    private MembershipState? heard;

    /// <summary>Why the store is away, as was told since it is.</summary>
    private readonly HashSet<string> told = new(StringComparer.Ordinal);
    private volatile bool away;

    /// <summary>Reads and writes nothing yet.</summary>
    /// <param name="document">The document, which is disposed with this.</param>
    /// <param name="secrets">The key and certificate of the cluster.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Told when the store is away or back, and what was written into a document that had lost it.</param>
    public HealingDocument(IMembershipDocument document, MembershipSecrets secrets, TimeProvider time, ILogger<HealingDocument> logger)
    {
        this.document = document;
        this.time = time;
        Realm = new MembershipRealm(secrets);
        this.logger = logger;
    }

    /// <summary>Which rows are of this process's cluster.</summary>
    internal MembershipRealm Realm { get; }

    /// <summary>Whether the store could not be reached when it was last tried.</summary>
    public bool IsAway => away;

    /// <summary>Waits until the store can be read. An inner host is built after that, since its start must not fail.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        while (!await TryAsync(() => ReadAsync(cancellationToken)).ConfigureAwait(false))
            await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose() => document.Dispose();

    /// <summary>
    /// Waits until there is a document, and begins one if nobody brings it: silos that are started together find each other in it.
    /// </summary>
    internal async Task OpenAsync(CancellationToken cancellationToken)
    {
        await WaitAsync(cancellationToken).ConfigureAwait(false);
        long start = time.GetTimestamp();
        while (!document.IsNewStore && last is null && time.GetElapsedTime(start) < LostDocumentWait)
        {
            await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
            await WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        while (!await TryAsync(BeginAsync).ConfigureAwait(false)) await WaitAsync(cancellationToken).ConfigureAwait(false);

        Task BeginAsync() =>
            ChangeAsync(state => state.Version == 0 ? state.Next(time.GetUtcNow()) : null, cancellationToken);
    }

    /// <summary>Reads what the document says, after writing again what it has lost.</summary>
    /// <exception cref="MembershipStoreException">The store is away.</exception>
    internal async Task<MembershipState> ReadAsync(CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return (await FindAsync(cancellationToken).ConfigureAwait(false)).State;
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>Changes what the document says.</summary>
    /// <param name="change">The new state; null for no change. It is asked again when others have written meanwhile.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>Whether there was a change.</returns>
    /// <exception cref="MembershipStoreException">The store is away.</exception>
    internal async Task<bool> ChangeAsync(Func<MembershipState, MembershipState?> change, CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            for (int i = 0; i < MaxAttempts; i++)
            {
                (MembershipState state, string revision) = await FindAsync(cancellationToken).ConfigureAwait(false);
                if (change(state) is not { } changed) return false;
                if (await TryWriteAsync(changed, revision, cancellationToken).ConfigureAwait(false)) return true;
            }

            throw Contended();
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>
    /// Takes note of what Orleans has heard of other silos before the document told it, and reads the document. If that is lost at such a
    /// moment, this process would else write it again without what it has let Orleans know.
    /// </summary>
    /// <param name="snapshot">What Orleans knows.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="MembershipStoreException">The store is away.</exception>
    internal async Task HearAsync(ClusterMembershipSnapshot snapshot, CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (last is null || snapshot.Version.Value <= Math.Max(last.Version, heard?.Version ?? 0)) return;
            heard = last with
            {
                Version = (int)snapshot.Version.Value,
                Rows = [.. snapshot.Members.Values.Select(member => SiloRow.Sketch(member, time.GetUtcNow(), Realm.Own))],
            };
            await FindAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>Reads the document as it is, for a process that is no member: it writes nothing.</summary>
    /// <returns>Null where there is none.</returns>
    /// <exception cref="MembershipStoreException">The store is away.</exception>
    internal async Task<MembershipState?> LookAsync(CancellationToken cancellationToken)
    {
        StoredDocument stored = await AskAsync(() => document.ReadAsync(cancellationToken)).ConfigureAwait(false);
        return stored.Text is null ? null : MembershipState.TryParse(stored.Text);
    }

    private async Task<(MembershipState State, string Revision)> FindAsync(CancellationToken cancellationToken)
    {
        for (int i = 0; i < MaxAttempts; i++)
        {
            StoredDocument stored = await AskAsync(() => document.ReadAsync(cancellationToken)).ConfigureAwait(false);
            MembershipState? found = stored.Text is null ? null : MembershipState.TryParse(stored.Text);
            if (found is null && stored.Text is { } text)
                Log.NoDocument(logger, document.Location, text.Length > MaxShown ? text[..MaxShown] : text);

            if (FindLost(found) is not { } whole)
            {
                last = found;
                heard = null;
                return (last ?? MembershipState.None, stored.Revision);
            }

            int known = heard?.Version ?? last!.Version;
            if (await TryWriteAsync(whole, stored.Revision, cancellationToken).ConfigureAwait(false))
                Log.Healed(logger, document.Location, found?.Version ?? 0, known, whole.Version, whole.Rows.Count);
        }

        throw Contended();
    }

    /// <summary>What is to be written because the document has lost it; null where it has not.</summary>
    private MembershipState? FindLost(MembershipState? found)
    {
        DateTimeOffset now = time.GetUtcNow();
        MembershipState? whole = last is null || found?.Continues(last) == true ? null : MembershipState.Union(last, found, now);
        if (heard is null) return whole;

        // Orleans' view has no etag: a document of its version is taken for the same.
        MembershipState? present = whole ?? found;
        return MembershipState.Union(heard with { ETag = present?.ETag ?? heard.ETag }, present, now) ?? whole;
    }

    private async Task<bool> TryWriteAsync(MembershipState state, string revision, CancellationToken cancellationToken)
    {
        string id = MembershipState.NewId();
        MembershipState written = state.WrittenBy(id);
        if (!await AskAsync(() => document.TryWriteAsync(written.ToText(), revision, id, cancellationToken)).ConfigureAwait(false))
        {
            // Somebody else has written. Others that lost to it as well should not come back at the same moment.
            await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(1, 10)), time, cancellationToken).ConfigureAwait(false);
            return false;
        }

        last = written;
        return true;
    }

    private async Task<T> AskAsync<T>(Func<Task<T>> call)
    {
        try
        {
            T answer = await call().ConfigureAwait(false);
            if (away) Log.Back(logger, document.Location);
            away = false;
            lock (told) told.Clear();
            return answer;
        }
        catch (MembershipStoreException e)
        {
            // The next reason may be the one that matters: a store that is started, and then speaks another protocol.
            bool isNews;
            lock (told) isNews = told.Count < MaxReasons && told.Add(e.Message);
            if (isNews) Log.Away(logger, e.Message);
            away = true;
            throw;
        }
    }

    private static async Task<bool> TryAsync(Func<Task> call)
    {
        try
        {
            await call().ConfigureAwait(false);
            return true;
        }
        catch (MembershipStoreException)
        {
            return false;
        }
    }

    private MembershipStoreException Contended() =>
        new($"{document.Location}: others wrote {MaxAttempts} times between a read and the write after it");

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "The membership store is away; who is there goes on, and it is tried again: {Reason}")]
        public static partial void Away(ILogger logger, string reason);

        [LoggerMessage(2, LogLevel.Information, "The membership store {Location} is back")]
        public static partial void Back(ILogger logger, string location);

        [LoggerMessage(3, LogLevel.Warning,
            "The membership document {Location} had version {Found} where this process knew version {Known}; "
            + "all silos that it knew are written again, as version {Written} with {Rows} silos")]
        public static partial void Healed(ILogger logger, string location, int found, int known, int written, int rows);

        [LoggerMessage(4, LogLevel.Warning, "The membership document {Location} is none, and is written anew; found: {Text}")]
        public static partial void NoDocument(ILogger logger, string location, string text);
    }
}
