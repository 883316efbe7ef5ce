using Llama.Grains.Directory;
using Llama.Model.Kernels;
using Llama.Tests;

namespace Llama.Grains.Tests.Directory;

public sealed class EmbeddedDirectoryTests : IDisposable
{
    private readonly ManualTime time = new();
    private readonly EmbeddedDirectory directory;

    public EmbeddedDirectoryTests() => directory = new EmbeddedDirectory(time);

    private IEnumerable<string> Names => directory.View.Members.Select(member => member.Name);

    public void Dispose() => directory.Dispose();

    [Fact]
    public void Join_Members_AreSeenInNaturalOrderUntilTheirLeasesEnd()
    {
        Assert.Equal(0, directory.View.Version);
        ILease ten = directory.Join(Members.Make("silo-10"));
        ILease two = directory.Join(Members.Make("silo-2"));
        ILease one = directory.Join(Members.Make("silo-1"));
        Assert.Equal(["silo-1", "silo-2", "silo-10"], Names);
        Assert.Equal(3, directory.View.Version);
        two.Dispose();
        Assert.Equal(["silo-1", "silo-10"], Names);
        Assert.Equal(4, directory.View.Version);
        Assert.Equal((false, true, true), (two.Renew(), one.Renew(), ten.Renew()));
    }

    [Fact]
    public void Join_NameOfALivingMember_IsRefusedAndNamesIt()
    {
        using ILease lease = directory.Join(Members.Make("silo-1", "10.0.0.1:4000"));
        DirectoryException fault = Assert.Throws<DirectoryException>(() => directory.Join(Members.Make("silo-1", "10.0.0.2:4000")));
        Assert.Contains("'silo-1'", fault.Message, StringComparison.Ordinal);
        Assert.Contains("10.0.0.1:4000", fault.Message, StringComparison.Ordinal);
        Assert.Equal("10.0.0.1:4000", Assert.Single(directory.View.Members).Address);
    }

    [Fact]
    public void Join_AfterRelease_IsAnotherMembershipThatTheOldLeaseCannotEnd()
    {
        ILease first = directory.Join(Members.Make("silo-1", "10.0.0.1:4000"));
        first.Dispose();
        ILease second = directory.Join(Members.Make("silo-1", "10.0.0.2:4000"));
        first.Dispose();
        Assert.False(first.Renew());
        Assert.True(second.Renew());
        Assert.Equal("10.0.0.2:4000", Assert.Single(directory.View.Members).Address);
    }

    [Fact]
    public void Renew_InTime_KeepsTheMemberAndOthersExpire()
    {
        ILease kept = directory.Join(Members.Make("silo-1"));
        ILease silent = directory.Join(Members.Make("silo-2"));
        for (int second = 1; second <= 10; second++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            Assert.True(kept.Renew());
            Assert.Equal(second <= 3, Names.Contains("silo-2"));
        }

        Assert.Equal(["silo-1"], Names);
        Assert.False(silent.Renew());
        Assert.Equal(3, directory.View.Version);
    }

    [Fact]
    public void Expire_DirectoryThatStoodStill_GivesEveryMemberTimeToBeHeard()
    {
        ILease heard = directory.Join(Members.Make("silo-1"));
        ILease gone = directory.Join(Members.Make("silo-2"));
        time.Stall(TimeSpan.FromMinutes(1));
        Assert.Equal(["silo-1", "silo-2"], Names);
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.True(heard.Renew());
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(["silo-1"], Names);
        Assert.False(gone.Renew());
    }

    [Fact]
    public async Task WaitForChangeAsync_EveryChange_IsSeen()
    {
        Task<DirectoryView> first = directory.WaitForChangeAsync(0, Patience.Token);
        Assert.False(first.IsCompleted);
        ILease lease = directory.Join(Members.Make("silo-1"));
        DirectoryView view = await first.Soon();
        Assert.Equal((1, 1), ((int)view.Version, view.Members.Count));

        // A change that came before the wait is not missed.
        lease.Dispose();
        view = await directory.WaitForChangeAsync(1, Patience.Token).Soon();
        Assert.Equal((2, 0), ((int)view.Version, view.Members.Count));

        Task<DirectoryView> expiry = directory.WaitForChangeAsync(3, Patience.Token);
        directory.Join(Members.Make("silo-2"));
        Assert.False(expiry.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.Empty((await expiry.Soon()).Members);
    }

    [Fact]
    public async Task WaitForChangeAsync_ManyJoinsAndLeaves_AWatcherNeverHangsAndEndsWithTheLastView()
    {
        const int Changes = 400;
        Task<DirectoryView> watcher = Task.Run(async () =>
        {
            DirectoryView view = directory.View;
            while (view.Version < Changes) view = await directory.WaitForChangeAsync(view.Version, Patience.Token);
            return view;
        });
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(() =>
        {
            for (int i = 0; i < Changes / 8; i++) directory.Join(Members.Make($"silo-{thread}")).Dispose();
        })));
        Assert.Empty((await watcher.Soon()).Members);
    }

    [Fact]
    public async Task WaitForChangeAsync_Cancelled_Throws()
    {
        using var cancelling = new CancellationTokenSource();
        Task<DirectoryView> waiting = directory.WaitForChangeAsync(0, cancelling.Token);
        await cancelling.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.Soon());
    }

    [Fact]
    public void Join_MemberThatCannotBe_IsRefusedWithWhatIsWrong()
    {
        Member good = Members.Make("silo-1");
        (Member Member, string Expected)[] faults =
        [
            (good with { Name = "" }, "0 characters"),
            (good with { Name = new string('x', 1000) }, "1000 characters"),
            (good with { Address = "nowhere" }, "'nowhere'; expected host:port"),
            (good with { Threads = 0 }, "0 threads"),
            (good with { MemoryBytes = -5 }, "-5 bytes"),
            (good with { LogMemoryBytes = -6 }, "-6 bytes of memory for a log"),
            (good with { Rates = new MachineRates(0, 1e9) }, "'silo-1' reads 0 bytes/s of memory; expected 1000000 to 1E+18."),
            (good with { Rates = new MachineRates(-1e9, 1e9) }, "reads -1000000000 bytes/s of memory"),
            (good with { Rates = new MachineRates(double.NaN, 1e9) }, "reads NaN bytes/s of memory"),
            (good with { Rates = new MachineRates(double.PositiveInfinity, 1e9) }, "reads Infinity bytes/s of memory"),
            (good with { Rates = new MachineRates(1e9, 1e19) }, "'silo-1' does 1E+19 operations/s; expected 1000000 to 1E+18."),
            (good with { Rates = new MachineRates(1e9, double.NaN) }, "does NaN operations/s"),
        ];
        foreach ((Member member, string expected) in faults)
        {
            DirectoryException fault = Assert.Throws<DirectoryException>(() => directory.Join(member));
            Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        }

        Assert.Empty(directory.View.Members);
    }
}
