using System.Collections.Immutable;
using Llama.Grains.Membership;
using Llama.Tests;

namespace Llama.Grains.Tests.Membership;

public sealed class HealingDocumentTests : IDisposable
{
    private const int AwayEvent = 1;
    private const int BackEvent = 2;
    private const int HealedEvent = 3;
    private const int NoDocumentEvent = 4;

    private readonly TestStore store = new();
    private readonly ManualTime time = new();
    private readonly EventLog<HealingDocument> log = new();
    private readonly HealingDocument document;

    public HealingDocumentTests() => document = Open();

    public void Dispose() => document.Dispose();

    [Fact]
    public async Task Read_DocumentLost_IsWrittenAgainAtAHigherVersion()
    {
        await AddAsync(document, 1, SiloStatus.Active);
        await AddAsync(document, 2, SiloStatus.Dead);
        MembershipState before = store.State;

        store.Text = null;
        MembershipState after = await ReadAsync(document);

        Assert.Equal((before with { Version = after.Version, ETag = after.ETag, Writes = after.Writes }).ToText(), after.ToText());
        Assert.True(after.Version > before.Version);
        Assert.NotEqual(before.ETag, after.ETag);
        Assert.Equal(after.ToText(), store.Text);
        Assert.Equal([HealedEvent], log.Ids);
    }

    [Fact]
    public async Task Read_DocumentSetBack_HasWhatBothKnewAndTheHigherStatus()
    {
        await AddAsync(document, 1, SiloStatus.Joining);
        await AddAsync(document, 2, SiloStatus.Active);
        string old = store.Text!;
        await SetAsync(document, 1, SiloStatus.Active);
        await SetAsync(document, 2, SiloStatus.Dead);
        await AddAsync(document, 3, SiloStatus.Active);
        int version = store.State.Version;

        store.Text = old;
        MembershipState after = await ReadAsync(document);

        Assert.Equal([SiloStatus.Active, SiloStatus.Dead, SiloStatus.Active], Statuses(after));
        Assert.True(after.Version > version);
    }

    [Fact]
    public async Task Read_ForeignDocument_HasTheRowsOfBoth()
    {
        await AddAsync(document, 1, SiloStatus.Active);
        await AddAsync(document, 2, SiloStatus.Dead);
        MembershipState foreign = Foreign(version: 100, (2, SiloStatus.Active), (3, SiloStatus.Active));

        store.State = foreign;
        MembershipState after = await ReadAsync(document);

        Assert.Equal([SiloStatus.Active, SiloStatus.Dead, SiloStatus.Active], Statuses(after));
        Assert.Equal(101, after.Version);
    }

    [Theory]
    [InlineData(100, 0)]
    [InlineData(1, 1)]
    public async Task Read_ForeignDocumentWithAllRows_IsWrittenOnlyIfItsVersionIsNotNewer(int version, int heals)
    {
        await AddAsync(document, 1, SiloStatus.Active);
        int known = store.State.Version;
        store.State = Foreign(version, (1, SiloStatus.Active), (3, SiloStatus.Active));

        MembershipState after = await ReadAsync(document);

        Assert.Equal(heals, log.Ids.Count);
        Assert.Equal(heals == 0 ? version : known + 1, after.Version);
        Assert.Equal(after.ToText(), store.Text);
    }

    [Fact]
    public async Task Read_DocumentThatOthersWentOnWith_IsTakenAsItIs()
    {
        await AddAsync(document, 1, SiloStatus.Active);
        using HealingDocument other = Open();
        await AddAsync(other, 2, SiloStatus.Active);
        await other.ChangeAsync(state => (state with { Rows = [state.Rows[1]] }).Next(time.GetUtcNow()), Patience.Token);

        Assert.Equal([LocalSilo.AddressOf(2)], (await ReadAsync(document)).Rows.Select(row => row.Silo));
        Assert.Empty(log.Ids);
    }

    [Fact]
    public async Task Read_SetBackAndThenWrittenToANewerVersionByAnother_LosesNobody()
    {
        await AddAsync(document, 1, SiloStatus.Active);
        string old = store.Text!;
        await AddAsync(document, 2, SiloStatus.Active);

        // A silo that starts at that moment knows nothing else than the old document.
        store.Text = old;
        using HealingDocument starting = Open();
        await AddAsync(starting, 3, SiloStatus.Joining);
        await SetAsync(starting, 3, SiloStatus.Active);
        Assert.Null((await ReadAsync(starting)).Find(LocalSilo.AddressOf(2)));

        Assert.Equal(3, (await ReadAsync(document)).Rows.Count);
        Assert.Equal(3, (await ReadAsync(starting)).Rows.Count);
    }

    [Fact]
    public async Task Hear_DocumentLostBeforeItWasRead_HasWhatOrleansKnowsUntilTheSiloItselfComes()
    {
        await AddAsync(document, 1, SiloStatus.Active);
        await AddAsync(document, 2, SiloStatus.Active);
        using HealingDocument other = Open();
        await AddAsync(other, 3, SiloStatus.Active);
        await SetAsync(other, 2, SiloStatus.Dead);
        var snapshot = new ClusterMembershipSnapshot(
            store.State.Rows.ToImmutableDictionary(row => row.Silo, row => new ClusterMember(row.Silo, row.Status, row.Name)),
            new MembershipVersion(store.State.Version));

        store.Text = null;
        await document.HearAsync(snapshot, Patience.Token);

        MembershipState told = await ReadAsync(document);
        Assert.Equal([SiloStatus.Active, SiloStatus.Dead, SiloStatus.Active], Statuses(told));
        Assert.True(told.Version > snapshot.Version.Value);
        MembershipState after = await ReadAsync(other);
        Assert.Equal(RowOf(3, SiloStatus.Active).ToEntry().ToFullString(), after.Rows[2].ToEntry().ToFullString());
        Assert.Equal(after.ToText(), (await ReadAsync(document)).ToText());
        Assert.Equal(2, log.Ids.Count);
    }

    [Fact]
    public async Task Hear_DocumentThere_ReadsIt()
    {
        await AddAsync(document, 1, SiloStatus.Active);
        using HealingDocument other = Open();
        await AddAsync(other, 2, SiloStatus.Active);
        string text = store.Text!;
        var snapshot = new ClusterMembershipSnapshot(
            store.State.Rows.ToImmutableDictionary(row => row.Silo, row => new ClusterMember(row.Silo, row.Status, row.Name)),
            new MembershipVersion(store.State.Version));

        await document.HearAsync(snapshot, Patience.Token);
        store.Text = null;

        Assert.Equal(2, (await ReadAsync(document)).Rows.Count(row => !row.IsSketch));
        Assert.NotEqual(text, store.Text);
    }

    [Theory]
    [InlineData("")]
    [InlineData("no document")]
    [InlineData("""{"version":5}""")]
    [InlineData("""{"version":5,"eTag":"e","writes":[],"rows":[]}""")]
    [InlineData("""{"version":5,"eTag":"e","writes":["w"],"rows":[null]}""")]
    [InlineData("""{"version":5,"eTag":"e","writes":["w"],"rows":[{"silo":"nowhere","status":"Active","name":"","hostName":"","suspicions":[],"eTag":"e"}]}""")]
    public async Task Read_TextThatIsNoDocument_IsWrittenAnew(string text)
    {
        await AddAsync(document, 1, SiloStatus.Active);
        store.Text = text;

        Assert.Single((await ReadAsync(document)).Rows);
        Assert.Single(store.State.Rows);
        Assert.Equal([NoDocumentEvent, HealedEvent], log.Ids);
    }

    [Fact]
    public async Task Read_DeadForTenMinutes_IsNotBroughtBack()
    {
        await AddAsync(document, 1, SiloStatus.Active);
        await AddAsync(document, 2, SiloStatus.Dead);
        time.Advance(SiloRow.DeadLifetime + TimeSpan.FromSeconds(1));
        store.Text = null;

        Assert.Equal([LocalSilo.AddressOf(1)], (await ReadAsync(document)).Rows.Select(row => row.Silo));
    }

    [Fact]
    public async Task Change_DeadForTenMinutes_LeavesTheDocument()
    {
        await AddAsync(document, 1, SiloStatus.Active);
        await AddAsync(document, 2, SiloStatus.Dead);
        time.Advance(SiloRow.DeadLifetime - TimeSpan.FromSeconds(1));
        await AddAsync(document, 3, SiloStatus.Active);
        Assert.Equal(3, store.State.Rows.Count);

        time.Advance(TimeSpan.FromSeconds(2));
        await AddAsync(document, 4, SiloStatus.Active);

        Assert.Equal([1, 3, 4], store.State.Rows.Select(row => row.Silo.Generation));
    }

    [Fact]
    public async Task Read_StoreAway_IsToldOnceAndSoIsItsReturn()
    {
        await AddAsync(document, 1, SiloStatus.Active);
        store.IsAway = true;
        for (int i = 0; i < 3; i++) await Assert.ThrowsAsync<MembershipStoreException>(() => ReadAsync(document));
        Assert.True(document.IsAway);
        Assert.Equal([AwayEvent], log.Ids);

        store.IsAway = false;
        for (int i = 0; i < 3; i++) await ReadAsync(document);

        Assert.False(document.IsAway);
        Assert.Equal([AwayEvent, BackEvent], log.Ids);
    }

    [Fact]
    public async Task Open_DocumentMissing_IsBegunWhenNobodyHasBroughtItFor2500Milliseconds()
    {
        Task opening = document.OpenAsync(Patience.Token);
        await AdvanceAsync(opening, TimeSpan.FromSeconds(2.4));
        Assert.Null(store.Text);

        await AdvanceAsync(opening, TimeSpan.FromSeconds(0.2));
        await opening.Soon();
        Assert.Empty(store.State.Rows);
    }

    [Fact]
    public async Task Open_DocumentThatASiloBrings_IsTakenAtOnce()
    {
        await AddAsync(document, 1, SiloStatus.Active);
        store.Text = null;
        using HealingDocument starting = Open();
        Task opening = starting.OpenAsync(Patience.Token);
        await AdvanceAsync(opening, TimeSpan.FromSeconds(1));
        Assert.False(opening.IsCompleted);

        await ReadAsync(document);
        await AdvanceAsync(opening, TimeSpan.FromSeconds(0.2));

        await opening.Soon();
        Assert.Single((await ReadAsync(starting)).Rows);
    }

    [Fact]
    public async Task Open_StoreThatThisProcessMade_IsBegunAtOnce()
    {
        var made = new TestStore { IsNewStore = true };
        using var first = new HealingDocument(made, new MembershipSecrets(), time, log);

        await first.OpenAsync(Patience.Token).Soon();

        Assert.Empty(made.State.Rows);
    }

    [Fact]
    public async Task Open_StoreAway_WaitsForIt()
    {
        await AddAsync(document, 1, SiloStatus.Active);
        store.IsAway = true;
        using HealingDocument starting = Open();
        Task opening = starting.OpenAsync(Patience.Token);
        await AdvanceAsync(opening, TimeSpan.FromSeconds(60));
        Assert.False(opening.IsCompleted);

        store.IsAway = false;
        await AdvanceAsync(opening, TimeSpan.FromSeconds(0.2));
        await opening.Soon();
    }

    /// <summary>
    /// Processes that write, join and die while the document is lost, replaced and set back: none of them may see a version go back, a
    /// silo that lives vanish, or a status fall.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Read_AnythingHappensToTheDocument_NoProcessSeesTheViewGoBack(int seed)
    {
        var random = new Random(seed);
        var processes = new List<(HealingDocument Document, MembershipState Seen)>();
        var history = new List<string?> { null };
        int silos = 0;
        for (int i = 0; i < 1000; i++)
        {
            int what = random.Next(100);
            if (what < 10) store.Text = history[random.Next(history.Count)];
            else if (what < 15 && processes.Count > 1) processes.RemoveAt(random.Next(processes.Count));
            else if (what < 22 || processes.Count == 0) await StartAsync();
            else await GoOnAsync(random.Next(processes.Count), random.Next(4));
            if (what % 7 == 0) history.Add(store.Text);
        }

        // When all have looked, and looked again, all know the same.
        for (int i = 0; i < 2 * processes.Count; i++) await GoOnAsync(i % processes.Count, 0);
        Assert.Single(processes.Select(process => process.Seen.Version).Distinct());
        Assert.True(silos > 25 && log.Ids.Count > 25, $"{silos} silos, {log.Ids.Count} heals");

        async Task StartAsync()
        {
            HealingDocument started = Open();
            await AddAsync(started, ++silos, SiloStatus.Joining);
            processes.Add((started, await ReadAsync(started)));
        }

        async Task GoOnAsync(int index, int action)
        {
            (HealingDocument process, MembershipState seen) = processes[index];
            SiloRow? row = seen.Rows.Where(one => one.Status != SiloStatus.Dead).OrderBy(_ => random.Next()).FirstOrDefault();
            if (row is not null && action == 1) await SetAsync(process, row.Silo.Generation, row.Status + 1);
            if (row is not null && action == 2)
                await process.ChangeAsync(state => state.Find(row.Silo) is { } now ? state.With(now with { Alive = DateTime.UtcNow }) : null, Patience.Token);
            MembershipState found = await ReadAsync(process);
            Assert.True(found.Version >= seen.Version);
            Assert.True(found.Version > seen.Version || found.ETag == seen.ETag);
            Assert.All(seen.Rows, before => Assert.True(found.Find(before.Silo)?.Status >= before.Status));
            processes[index] = (process, found);
        }
    }

    private static Task<MembershipState> ReadAsync(HealingDocument of) => of.ReadAsync(Patience.Token).Soon();

    private HealingDocument Open() => new(store, new MembershipSecrets(), time, log);

    private async Task AddAsync(HealingDocument to, int silo, SiloStatus status) => Assert.True(await to.ChangeAsync(
        state => (state with { Rows = [.. state.Rows, RowOf(silo, status)] }).Next(time.GetUtcNow()), Patience.Token));

    /// <summary>A status only grows.</summary>
    private async Task SetAsync(HealingDocument of, int silo, SiloStatus status) => await of.ChangeAsync(
        state => state.Find(LocalSilo.AddressOf(silo)) is { } row && row.Status < status
            ? state.With(status == SiloStatus.Dead ? row.Dead(time.GetUtcNow()) : row with { Status = status, ETag = MembershipState.NewId() })
                .Next(time.GetUtcNow())
            : null,
        Patience.Token);

    private SiloRow RowOf(int silo, SiloStatus status)
    {
        var row = SiloRow.Of(LocalSilo.EntryOf(silo, status), null, new MembershipRealm(new MembershipSecrets()).Own);
        return status == SiloStatus.Dead ? row.Dead(time.GetUtcNow()) : row;
    }

    private MembershipState Foreign(int version, params (int Silo, SiloStatus Status)[] rows) => new()
    {
        Version = version,
        ETag = MembershipState.NewId(),
        Writes = [MembershipState.NewId()],
        Rows = [.. rows.Select(row => RowOf(row.Silo, row.Status))],
    };

    private static IEnumerable<SiloStatus> Statuses(MembershipState state) =>
        state.Rows.OrderBy(row => row.Silo.Generation).Select(row => row.Status);

    /// <summary>Moves the clock as somebody waits for it.</summary>
    private async Task AdvanceAsync(Task waiting, TimeSpan by)
    {
        for (TimeSpan done = TimeSpan.Zero; done < by; done += TimeSpan.FromMilliseconds(50))
        {
            await Patience.UntilAsync(() => waiting.IsCompleted || time.Timers > 0, () => "nobody waits");
            time.Advance(TimeSpan.FromMilliseconds(50));
        }
    }
}
