using System.Collections.Concurrent;
using System.Reflection;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Membership;

/// <summary>
/// Orleans' membership table over a <see cref="HealingDocument"/>; one for each inner host. Nothing but the wait for the store is of its
/// own: the view, which must not go back, is the document's.
/// </summary>
internal sealed partial class DocumentMembershipTable : IMembershipTable, IDisposable
{
    /// <summary>
    /// How old a silo's own heartbeat may get while another joins, which takes rows that do not change for those of silos that are gone.
    /// </summary>
    private static readonly TimeSpan OldestWhileJoining = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How old it may get else. Orleans renews it more often, each 30 s if not told otherwise; but after the store was away it waits for up
    /// to a minute.
    /// </summary>
    private static readonly TimeSpan OldestElse = TimeSpan.FromSeconds(45);

    /// <summary>How long one silo waits for another that joins, which takes a few tenths of a second.</summary>
    private static readonly TimeSpan LongestTurn = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly CancellationTokenSource ending = new();
    private readonly HealingDocument document;
    private readonly ILocalSiloDetails silo;
    private readonly SiloAddress self;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly VanishedSilos vanished;

    /// <summary>Silos of other clusters that were named.</summary>
    private readonly ConcurrentDictionary<SiloAddress, byte> strangers = new();

    /// <summary>A table for the silo of one inner host.</summary>
    public DocumentMembershipTable(
        HealingDocument document, ILocalSiloDetails silo, TimeProvider time, ILogger<DocumentMembershipTable> logger)
    {
        this.document = document;
        this.silo = silo;
        self = silo.SiloAddress;
        this.time = time;
        this.logger = logger;
        vanished = new VanishedSilos(self, time);
    }

    /// <summary>
    /// Waits while the store is away, since a start that fails leaves loops of Orleans behind, declares dead whose process is gone, and waits
    /// for the silo's turn to join.
    /// </summary>
    /// <exception cref="OrleansConfigurationException">Another silo lives under this one's name: this process cannot join.</exception>
    public async Task InitializeMembershipTable(bool tryInitTableVersion)
    {
        while (true)
        {
            await document.OpenAsync(ending.Token).ConfigureAwait(false);
            try
            {
                await TendAsync(ending.Token).ConfigureAwait(false);
                await TakeTurnAsync().ConfigureAwait(false);
                await DemandNameAsync().ConfigureAwait(false);
                return;
            }
            catch (MembershipStoreException)
            {
                // Away again.
            }
        }
    }

    /// <summary>
    /// What the silo does each second: reads, which heals, renews its heartbeat if that is old, and declares dead who is gone.
    /// </summary>
    /// <returns>The version read.</returns>
    /// <exception cref="MembershipStoreException">The store is away.</exception>
    public async Task<int> TendAsync(CancellationToken cancellationToken)
    {
        try
        {
            MembershipState state = await ReadAsync(cancellationToken).ConfigureAwait(false);
            IReadOnlyList<SiloRow> gone = vanished.Find(state);
            if (gone.Count == 0 && !IsLate(state)) return state.Version;
            MembershipState? tended = null;
            if (!await document.ChangeAsync(current => tended = Tend(current, gone), cancellationToken).ConfigureAwait(false))
                return state.Version;
            foreach (SiloRow row in gone) Log.Gone(logger, row.Name, row.Silo);
            return tended!.Version;
        }
        catch (MembershipStoreException)
        {
            vanished.Forget();
            throw;
        }
    }

    /// <summary>Takes note of what Orleans has heard of other silos.</summary>
    /// <exception cref="MembershipStoreException">The store is away.</exception>
    public Task HearAsync(ClusterMembershipSnapshot snapshot, CancellationToken cancellationToken) =>
        document.HearAsync(snapshot, cancellationToken);

    /// <inheritdoc/>
    public async Task<MembershipTableData> ReadAll() => (await ReadAsync(ending.Token).ConfigureAwait(false)).ToData();

    /// <inheritdoc/>
    public async Task<MembershipTableData> ReadRow(SiloAddress key) =>
        (await ReadAsync(ending.Token).ConfigureAwait(false)).ToData(key);

    /// <inheritdoc/>
    public Task<bool> InsertRow(MembershipEntry entry, TableVersion tableVersion) => ChangeAsync(tableVersion, state =>
        state.Find(entry.SiloAddress) is null
            ? state with { Rows = [.. state.Rows, RowOf(entry, null)] }
            : null);

    /// <inheritdoc/>
    public Task<bool> UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) => ChangeAsync(tableVersion, state =>
        state.Find(entry.SiloAddress) is { } row && row.ETag == etag ? state.With(RowOf(entry, row)) : null);

    /// <inheritdoc/>
    public Task UpdateIAmAlive(MembershipEntry entry) => document.ChangeAsync(
        state => state.Find(entry.SiloAddress) is { } row ? state.With(row with { Alive = entry.IAmAliveTime }) : null, ending.Token);

    /// <inheritdoc/>
    public Task CleanupDefunctSiloEntries(DateTimeOffset beforeDate) => document.ChangeAsync(
        state =>
        {
            SiloRow[] kept = [.. state.Rows.Where(row => row.Status != SiloStatus.Dead || LastChange(row) >= beforeDate.UtcDateTime)];
            return kept.Length < state.Rows.Count ? (state with { Rows = kept }).Next(time.GetUtcNow()) : null;
        },
        ending.Token);

    /// <inheritdoc/>
    public Task DeleteMembershipTableEntries(string clusterId) =>
        document.ChangeAsync(state => (state with { Rows = [] }).Next(time.GetUtcNow()), ending.Token);

    /// <inheritdoc/>
    public void Dispose() => ending.Cancel();

    /// <summary>What the document says of this cluster; others in it are named once.</summary>
    private async Task<MembershipState> ReadAsync(CancellationToken cancellationToken)
    {
        MembershipState state = await document.ReadAsync(cancellationToken).ConfigureAwait(false);
        foreach (SiloRow row in state.Rows.Where(row => row.Status != SiloStatus.Dead && !document.Realm.Has(row)))
        {
            if (strangers.TryAdd(row.Silo, 0)) Log.Stranger(logger, row.Name, row.Silo, document.Realm.Difference(row));
        }

        return state.Of(document.Realm);
    }

    /// <summary>
    /// Inserts the silo's row, which Orleans then updates, when no other silo is between its row and being active: Orleans waits for two
    /// seconds and more when two silos change the table at a time, as those that are started together do.
    /// </summary>
    private async Task TakeTurnAsync()
    {
        Dictionary<SiloAddress, long> joining = [];
        while (!await document.ChangeAsync(TryInsert, ending.Token).ConfigureAwait(false))
            await Task.Delay(Pause, time, ending.Token).ConfigureAwait(false);

        MembershipState? TryInsert(MembershipState state)
        {
            if (state.Find(self) is not null) return state;
            return state.Rows.Any(IsWaitedFor) ? null : (state with { Rows = [.. state.Rows, NewRow()] }).Next(time.GetUtcNow());
        }

        bool IsWaitedFor(SiloRow row)
        {
            if (!IsJoining(row) || !document.Realm.Has(row)) return false;
            joining.TryAdd(row.Silo, time.GetTimestamp());
            return time.GetElapsedTime(joining[row.Silo]) < LongestTurn;
        }
    }

    /// <summary>Makes sure that no other silo lives under this one's name; others say that they live because this one has its row by now.</summary>
    private async Task DemandNameAsync()
    {
        var namesakes = new Namesakes(self, silo.Name);
        try
        {
            while (!namesakes.AreGone(await ReadAsync(ending.Token).ConfigureAwait(false)))
            {
                await Task.Delay(Pause, time, ending.Token).ConfigureAwait(false);
                await TendAsync(ending.Token).ConfigureAwait(false);
            }
        }
        catch (OrleansConfigurationException)
        {
            await document.ChangeAsync(
                state => state.Find(self) is { } own ? state.With(own.Dead(time.GetUtcNow())).Next(time.GetUtcNow()) : null,
                ending.Token).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The row of a silo that begins, as Orleans itself would write it.</summary>
    private SiloRow NewRow() => SiloRow.Of(
        new MembershipEntry
        {
            SiloAddress = self,
            Status = SiloStatus.Created,
            SiloName = silo.Name,
            HostName = silo.DnsHostName,
            RoleName = Assembly.GetEntryAssembly()?.GetName().Name,
            ProxyPort = silo.GatewayAddress?.Endpoint.Port ?? 0,
            StartTime = time.GetUtcNow().UtcDateTime,
            IAmAliveTime = time.GetUtcNow().UtcDateTime,
        },
        ProcessMark.Own, document.Realm.Own);

    private Task<bool> ChangeAsync(TableVersion version, Func<MembershipState, MembershipState?> change) => document.ChangeAsync(
        state => version.VersionEtag == state.ETag && version.Version == state.Version + 1 ? change(state)?.Next(time.GetUtcNow()) : null,
        ending.Token);

    private SiloRow RowOf(MembershipEntry entry, SiloRow? before)
    {
        // Only the silo itself inserts its row; others update it.
        SiloRow row = SiloRow.Of(
            entry, before is null ? ProcessMark.Own : before.Process, before is null ? document.Realm.Own : before.Realm);
        return row.Status == SiloStatus.Dead ? (row with { Died = before?.Died }).Dead(time.GetUtcNow()) : row;
    }

    /// <summary>When a row last changed, as Orleans counts it: by heartbeats and by votes.</summary>
    private static DateTime LastChange(SiloRow row) => row.Suspicions.Select(one => one.Time).Append(row.Alive).Append(row.Started).Max();

    private static bool IsJoining(SiloRow row) => row.Status is SiloStatus.Created or SiloStatus.Joining;

    private bool IsLate(MembershipState state) => state.Find(self) is { Status: not SiloStatus.Dead } own
        && time.GetUtcNow().UtcDateTime - own.Alive > (state.Rows.Any(IsJoining) ? OldestWhileJoining : OldestElse);

    private MembershipState? Tend(MembershipState state, IReadOnlyList<SiloRow> gone)
    {
        DateTimeOffset now = time.GetUtcNow();
        MembershipState tended = IsLate(state) ? state.With(state.Find(self)! with { Alive = now.UtcDateTime }) : state;
        SiloRow[] dead = [.. state.Rows.Where(row => gone.Any(one => (one.Silo, one.ETag, one.Alive) == (row.Silo, row.ETag, row.Alive)))];
        if (dead.Length > 0) return dead.Aggregate(tended, (changed, row) => changed.With(row.Dead(now))).Next(now);
        return tended == state ? null : tended;
    }

    private static partial class Log
    {
        [LoggerMessage(2, LogLevel.Warning, "Silo {Name} ({Address}) is no member of this cluster: it has {Difference}")]
        public static partial void Stranger(ILogger logger, string name, SiloAddress address, string difference);

        [LoggerMessage(1, LogLevel.Information, "Silo {Name} ({Address}) is gone, and is declared dead")]
        public static partial void Gone(ILogger logger, string name, SiloAddress address);
    }
}
