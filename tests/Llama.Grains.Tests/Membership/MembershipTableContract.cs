using Llama.Grains.Membership;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Membership;

/// <summary>What Orleans expects of a membership table (<see cref="IMembershipTable"/>), in whatever store its document is.</summary>
public abstract class MembershipTableContract : DocumentContract
{
    private static readonly DateTime Later = new(2026, 11, 1, 12, 1, 0, DateTimeKind.Utc);

    [Fact]
    public async Task InsertRow_NewSilo_IsReadAsItWasWrittenAtTheNextVersion()
    {
        using TestTable process = await OpenTableAsync();
        MembershipTableData before = await process.Table.ReadAll();
        Assert.True(await process.Table.InsertRow(LocalSilo.EntryOf(2), before.Version.Next()));
        using TestTable other = await OpenTableAsync();

        MembershipTableData after = await other.Table.ReadAll();

        Assert.Equal(before.Version.Version + 1, after.Version.Version);
        Assert.NotEqual(before.Version.VersionEtag, after.Version.VersionEtag);
        Assert.Equal(LocalSilo.EntryOf(2).ToFullString(), Assert.Single(after.Members).Item1.ToFullString());
        Assert.Equal(after.Members[0].Item2, Assert.Single((await other.Table.ReadRow(LocalSilo.AddressOf(2))).Members).Item2);
        Assert.Empty((await other.Table.ReadRow(LocalSilo.AddressOf(3))).Members);
    }

    [Fact]
    public async Task InsertRow_SiloThatIsThereOrVersionThatIsOver_IsRefused()
    {
        using TestTable process = await OpenTableAsync();
        TableVersion first = (await process.Table.ReadAll()).Version;
        Assert.True(await process.Table.InsertRow(LocalSilo.EntryOf(2), first.Next()));
        TableVersion second = (await process.Table.ReadAll()).Version;

        Assert.False(await process.Table.InsertRow(LocalSilo.EntryOf(2), second.Next()));
        Assert.False(await process.Table.InsertRow(LocalSilo.EntryOf(3), first.Next()));
        Assert.False(await process.Table.InsertRow(LocalSilo.EntryOf(3), second));

        MembershipTableData after = await process.Table.ReadAll();
        Assert.Equal(second, after.Version);
        Assert.Single(after.Members);
    }

    [Fact]
    public async Task UpdateRow_OfTheRowRead_ReplacesItOnce()
    {
        using TestTable process = await OpenTableAsync();
        Assert.True(await process.Table.InsertRow(LocalSilo.EntryOf(2, SiloStatus.Joining), (await process.Table.ReadAll()).Version.Next()));
        MembershipTableData before = await process.Table.ReadAll();
        MembershipEntry changed = LocalSilo.EntryOf(2, SiloStatus.ShuttingDown);
        changed.IAmAliveTime = Later;

        Assert.True(await process.Table.UpdateRow(changed, before.Members[0].Item2, before.Version.Next()));

        MembershipTableData after = await process.Table.ReadAll();
        Assert.Equal(before.Version.Version + 1, after.Version.Version);
        Assert.Equal(changed.ToFullString(), after.Members[0].Item1.ToFullString());
        Assert.NotEqual(before.Members[0].Item2, after.Members[0].Item2);
        Assert.False(await process.Table.UpdateRow(changed, before.Members[0].Item2, after.Version.Next()));
        Assert.False(await process.Table.UpdateRow(changed, after.Members[0].Item2, before.Version.Next()));
        Assert.False(await process.Table.UpdateRow(LocalSilo.EntryOf(3), after.Members[0].Item2, after.Version.Next()));
        Assert.Equal(after.Version, (await process.Table.ReadAll()).Version);
    }

    [Fact]
    public async Task UpdateRow_OfTwoProcessesAtOneVersion_OneSucceeds()
    {
        using TestTable process = await OpenTableAsync();
        using TestTable other = await OpenTableAsync();
        Assert.True(await process.Table.InsertRow(LocalSilo.EntryOf(2), (await process.Table.ReadAll()).Version.Next()));
        MembershipTableData before = await process.Table.ReadAll();
        MembershipEntry dead = LocalSilo.EntryOf(2, SiloStatus.Dead);

        bool[] done = await Task.WhenAll(
            process.Table.UpdateRow(dead, before.Members[0].Item2, before.Version.Next()),
            other.Table.UpdateRow(dead, before.Members[0].Item2, before.Version.Next()));

        Assert.Single(done, won => won);
    }

    [Fact]
    public async Task UpdateIAmAlive_ChangesNothingElse()
    {
        using TestTable process = await OpenTableAsync();
        Assert.True(await process.Table.InsertRow(LocalSilo.EntryOf(2), (await process.Table.ReadAll()).Version.Next()));
        MembershipTableData before = await process.Table.ReadAll();

        await process.Table.UpdateIAmAlive(new MembershipEntry { SiloAddress = LocalSilo.AddressOf(2), IAmAliveTime = Later });

        MembershipTableData after = await process.Table.ReadAll();
        MembershipEntry expected = LocalSilo.EntryOf(2);
        expected.IAmAliveTime = Later;
        Assert.Equal(before.Version, after.Version);
        Assert.Equal(before.Members[0].Item2, after.Members[0].Item2);
        Assert.Equal(expected.ToFullString(), after.Members[0].Item1.ToFullString());
    }

    [Fact]
    public async Task CleanupDefunctSiloEntries_DeletesTheDeadThatChangedBefore()
    {
        using TestTable process = await OpenTableAsync();
        foreach ((int number, SiloStatus status) in new[] { (2, SiloStatus.Active), (3, SiloStatus.Dead), (4, SiloStatus.Joining) })
            Assert.True(await process.Table.InsertRow(LocalSilo.EntryOf(number, status), (await process.Table.ReadAll()).Version.Next()));

        // The vote of 12:00:07 is the last that changed.
        await process.Table.CleanupDefunctSiloEntries(new DateTimeOffset(2026, 11, 1, 12, 0, 7, TimeSpan.Zero));
        Assert.Equal(3, (await process.Table.ReadAll()).Members.Count);
        await process.Table.CleanupDefunctSiloEntries(new DateTimeOffset(2026, 11, 1, 12, 0, 8, TimeSpan.Zero));

        Assert.Equal(
            [SiloStatus.Joining, SiloStatus.Active],
            (await process.Table.ReadAll()).Members.Select(member => member.Item1.Status).Order());
    }

    [Fact]
    public async Task DeleteMembershipTableEntries_DeletesAllAndKeepsCounting()
    {
        using TestTable process = await OpenTableAsync();
        Assert.True(await process.Table.InsertRow(LocalSilo.EntryOf(2), (await process.Table.ReadAll()).Version.Next()));
        TableVersion before = (await process.Table.ReadAll()).Version;

        await process.Table.DeleteMembershipTableEntries("llama");

        MembershipTableData after = await process.Table.ReadAll();
        Assert.Empty(after.Members);
        Assert.True(after.Version.Version > before.Version);
    }

    private async Task<TestTable> OpenTableAsync() => new(await OpenAsync());

    private sealed class TestTable : IDisposable
    {
        private readonly HealingDocument document;

        public TestTable(IMembershipDocument store)
        {
            document = new HealingDocument(store, new MembershipSecrets(), TimeProvider.System, NullLogger<HealingDocument>.Instance);
            Table = new DocumentMembershipTable(document, new LocalSilo(1), TimeProvider.System, NullLogger<DocumentMembershipTable>.Instance);
        }

        internal DocumentMembershipTable Table { get; }

        public void Dispose()
        {
            Table.Dispose();
            document.Dispose();
        }
    }
}
