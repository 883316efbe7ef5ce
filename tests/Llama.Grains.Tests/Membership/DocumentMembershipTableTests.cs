using System.Diagnostics;
using Llama.Grains.Membership;
using Llama.Tests;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Membership;

/// <summary>What the table does beside what Orleans asks for.</summary>
public sealed class DocumentMembershipTableTests : IDisposable
{
    private static readonly ProcessMark Elsewhere = ProcessMark.Own! with { Boot = "another machine's" };

    private readonly TestStore store = new() { IsNewStore = true };
    private readonly ManualTime time = new();
    private readonly List<IDisposable> open = [];

    public void Dispose()
    {
        foreach (IDisposable one in open) one.Dispose();
    }

    [Fact]
    public async Task Initialize_OfASilo_InsertsItsRowWithItsProcess()
    {
        await Open(1).InitializeMembershipTable(true).Soon();

        SiloRow row = Assert.Single(store.State.Rows);
        Assert.Equal(
            (LocalSilo.AddressOf(1), SiloStatus.Created, "silo-1", "host", 30_001),
            (row.Silo, row.Status, row.Name, row.HostName, row.ProxyPort));
        Assert.Equal(ProcessMark.Own, row.Process);
    }

    [Fact]
    public async Task UpdateRow_OfAnotherSilo_KeepsItsProcess()
    {
        await Open(1).InitializeMembershipTable(true).Soon();
        SiloRow elsewhere = store.State.Rows[0] with { Process = ProcessMark.Own! with { Boot = "another machine's" } };
        store.State = store.State with { Rows = [elsewhere] };
        DocumentMembershipTable table = Open(2);
        MembershipTableData data = await table.ReadAll();

        Assert.True(await table.UpdateRow(LocalSilo.EntryOf(1, SiloStatus.Dead), data.Members[0].Item2, data.Version.Next()));

        Assert.Equal(elsewhere.Process, store.State.Rows[0].Process);
        Assert.Equal(time.GetUtcNow().UtcDateTime, store.State.Rows[0].Died);
    }

    [Fact]
    public async Task Initialize_WhileAnotherSiloJoins_WaitsUntilThatIsActive()
    {
        await Open(1).InitializeMembershipTable(true).Soon();
        Task second = Open(2).InitializeMembershipTable(true);
        await AdvanceAsync(second, TimeSpan.FromSeconds(1));
        Assert.Single(store.State.Rows);

        store.State = (store.State with { Rows = [store.State.Rows[0] with { Status = SiloStatus.Active }] }).Next(time.GetUtcNow()).WrittenBy("1");
        await AdvanceAsync(second, TimeSpan.FromSeconds(0.1));

        await second.Soon();
        Assert.Equal(2, store.State.Rows.Count);
    }

    [Fact]
    public async Task Initialize_WhileAnotherSiloJoinsAndDoesNotEnd_WaitsTwoSeconds()
    {
        await Open(1).InitializeMembershipTable(true).Soon();
        Task second = Open(2).InitializeMembershipTable(true);
        await AdvanceAsync(second, TimeSpan.FromSeconds(1.9));
        Assert.Single(store.State.Rows);

        await AdvanceAsync(second, TimeSpan.FromSeconds(0.2));

        await second.Soon();
        Assert.Equal(2, store.State.Rows.Count);
    }

    [Fact]
    public async Task Initialize_StoreAway_WaitsAndDoesNotFail()
    {
        store.IsAway = true;
        Task first = Open(1).InitializeMembershipTable(true);
        await AdvanceAsync(first, TimeSpan.FromSeconds(60));
        Assert.False(first.IsCompleted);

        store.IsAway = false;
        await AdvanceAsync(first, TimeSpan.FromSeconds(0.2));

        await first.Soon();
    }

    [Fact]
    public async Task Initialize_HostDisposedWhileItWaits_Ends()
    {
        store.IsAway = true;
        DocumentMembershipTable table = Open(1);
        Task first = table.InitializeMembershipTable(true);

        table.Dispose();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.Soon());
    }

    [Fact]
    public async Task Initialize_SiloOfThisMachineWhoseProcessIsGone_IsDead()
    {
        await Open(1).InitializeMembershipTable(true).Soon();
        SiloRow gone = store.State.Rows[0] with { Status = SiloStatus.Active, Process = ProcessMark.Own! with { Started = "1" } };
        store.State = store.State with { Rows = [gone] };

        await Open(2).InitializeMembershipTable(true).Soon();

        Assert.Equal([SiloStatus.Dead, SiloStatus.Created], store.State.Rows.Select(row => row.Status));
        Assert.NotEqual(gone.ETag, store.State.Rows[0].ETag);
    }

    [Fact]
    public async Task Initialize_ProcessOfThisMachineLivesUnderTheName_IsRefusedWithBothNamedAndItsRowIsDead()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs the program sleep");
        using Process other = Process.Start("sleep", "60");
        await BeginWithAsync(ProcessMark.Of(other.Id));

        OrleansConfigurationException fault = await Assert.ThrowsAsync<OrleansConfigurationException>(
            () => Open(2).InitializeMembershipTable(true).Soon());

        Assert.Contains($" process {other.Id} on this machine,", fault.Message, StringComparison.Ordinal);
        Assert.Contains($" this process, {Environment.ProcessId},", fault.Message, StringComparison.Ordinal);
        Assert.Equal([SiloStatus.Active, SiloStatus.Dead], store.State.Rows.Select(row => row.Status));
        other.Kill();
        await other.WaitForExitAsync(Patience.Token).Soon();
        await Open(3).InitializeMembershipTable(true).Soon();
    }

    [Fact]
    public async Task Initialize_SiloOfAnotherMachineSaysThatItLivesUnderTheName_IsRefused()
    {
        await BeginWithAsync(Elsewhere);
        Task second = Open(2).InitializeMembershipTable(true);
        await AdvanceAsync(second, TimeSpan.FromSeconds(3));
        Assert.False(second.IsCompleted);

        SiloRow renewed = store.State.Rows[0] with { Alive = store.State.Rows[0].Alive + TimeSpan.FromSeconds(5) };
        store.State = store.State.With(renewed).WrittenBy("1");
        await AdvanceAsync(second, TimeSpan.FromSeconds(0.1));

        OrleansConfigurationException fault = await Assert.ThrowsAsync<OrleansConfigurationException>(() => second.Soon());
        Assert.Contains("a process on the machine 'host', is a member under the name 'silo-2'", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Initialize_SiloOfAnotherMachineUnderTheNameIsDeclaredDeadOrSilent_TakesItsPlace(bool isDeclared)
    {
        await BeginWithAsync(Elsewhere);
        Task second = Open(2).InitializeMembershipTable(true);
        await AdvanceAsync(second, isDeclared ? TimeSpan.FromSeconds(1) : VanishedSilos.Silence - TimeSpan.FromSeconds(0.2));
        Assert.False(second.IsCompleted);

        if (isDeclared) store.State = store.State.With(store.State.Rows[0].Dead(time.GetUtcNow())).Next(time.GetUtcNow()).WrittenBy("1");
        await AdvanceAsync(second, TimeSpan.FromSeconds(0.4));

        await second.Soon();
        Assert.Equal([SiloStatus.Dead, SiloStatus.Created], store.State.Rows.Select(row => row.Status));
    }

    [Theory]
    [InlineData(SiloStatus.Joining, 5)]
    [InlineData(SiloStatus.Active, 45)]
    public async Task Tend_OwnSignOfLifeIsOld_IsRenewedAtTheSameVersionSoonerIfAnotherJoins(SiloStatus other, int seconds)
    {
        DocumentMembershipTable table = Open(1);
        await table.InitializeMembershipTable(true).Soon();
        await table.UpdateRow(await EntryAsync(table, SiloStatus.Active), store.State.Rows[0].ETag, new TableVersion(store.State.Version + 1, store.State.ETag));
        await table.InsertRow(LocalSilo.EntryOf(2, other), new TableVersion(store.State.Version + 1, store.State.ETag));
        MembershipState before = store.State;

        time.Advance(TimeSpan.FromSeconds(seconds));
        await table.TendAsync(Patience.Token);
        Assert.Equal(before.ToText(), store.Text);
        time.Advance(TimeSpan.FromSeconds(1));
        int version = await table.TendAsync(Patience.Token);

        Assert.Equal((before.Version, before.ETag, version), (store.State.Version, store.State.ETag, before.Version));
        Assert.Equal(time.GetUtcNow().UtcDateTime, store.State.Rows[0].Alive);
    }

    private static async Task<MembershipEntry> EntryAsync(DocumentMembershipTable table, SiloStatus status)
    {
        MembershipEntry entry = (await table.ReadAll()).Members[0].Item1;
        entry.Status = status;
        return entry;
    }

    /// <summary>A member of the name of the second silo, at another address.</summary>
    private async Task BeginWithAsync(ProcessMark? process)
    {
        await Open(1).InitializeMembershipTable(true).Soon();
        store.State = store.State.With(store.State.Rows[0] with { Name = "silo-2", Status = SiloStatus.Active, Process = process });
    }

    private DocumentMembershipTable Open(int silo)
    {
        var document = new HealingDocument(store, new MembershipSecrets(), time, NullLogger<HealingDocument>.Instance);
        var table = new DocumentMembershipTable(document, new LocalSilo(silo), time, NullLogger<DocumentMembershipTable>.Instance);
        open.Add(table);
        open.Add(document);
        return table;
    }

    private async Task AdvanceAsync(Task waiting, TimeSpan by)
    {
        for (TimeSpan done = TimeSpan.Zero; done < by; done += TimeSpan.FromMilliseconds(50))
        {
            await Patience.UntilAsync(() => waiting.IsCompleted || time.Timers > 0, () => "nobody waits");
            time.Advance(TimeSpan.FromMilliseconds(50));
        }
    }
}
