using Llama.Grains.Directory;

namespace Llama.Grains.Tests.Directory;

/// <summary>What every directory does, however it does it. Two processes use it: one here, one there.</summary>
public abstract class DirectoryContract
{
    protected abstract IDirectory Here { get; }

    protected abstract IDirectory There { get; }

    [Fact]
    public async Task TryPut_NewKey_IsSeenEverywhereUntilItsLeaseEnds()
    {
        ILease lease = Here.Grant();
        Assert.True(Here.TryPut("a/key", "Zürich ✓ \0", 0, lease.Id, out DirectoryEntry? entry));
        Assert.Equal(("a/key", "Zürich ✓ \0", lease.Id), (entry!.Key, entry.Value, entry.Lease));
        Assert.True(entry.Revision > 0);
        Assert.Equal(entry, await SeenAsync(There, "a/key", present => present is not null));
        Assert.Equal(entry, await SeenAsync(Here, "a/key", present => present is not null));

        lease.Dispose();
        await SeenAsync(There, "a/key", present => present is null);
        await SeenAsync(Here, "a/key", present => present is null);
        Assert.False(lease.Renew());
        lease.Dispose();
    }

    [Fact]
    public async Task TryPut_KeyOfAnother_IsRefusedAndShowsWhatIsThere()
    {
        using ILease first = Here.Grant();
        using ILease second = There.Grant();
        Assert.True(Here.TryPut("key", "first", 0, first.Id, out DirectoryEntry? written));
        Assert.False(There.TryPut("key", "second", 0, second.Id, out DirectoryEntry? present));
        Assert.Equal(written, present);
        Assert.False(There.TryPut("none", "second", 77, second.Id, out present));
        Assert.Null(present);
        Assert.Equal("first", (await SeenAsync(There, "key", entry => entry is not null))!.Value);
    }

    [Fact]
    public async Task TryPut_PresentRevision_ReplacesAndTheOldRevisionIsOver()
    {
        using ILease lease = Here.Grant();
        Assert.True(Here.TryPut("key", "1", 0, lease.Id, out DirectoryEntry? first));
        Assert.True(Here.TryPut("key", "2", first!.Revision, lease.Id, out DirectoryEntry? second));
        Assert.True(second!.Revision > first.Revision);
        Assert.False(There.TryPut("key", "3", first.Revision, lease.Id, out DirectoryEntry? present));
        Assert.Equal(second, present);
        Assert.Equal(second, await SeenAsync(There, "key", entry => entry?.Value == "2"));
    }

    [Fact]
    public async Task TryPut_ManyAtOnce_OneWins()
    {
        ILease[] leases = [.. Enumerable.Range(0, 8).Select(i => (i % 2 == 0 ? Here : There).Grant())];
        bool[] won = await Task.WhenAll(leases.Select((lease, i) => Task.Run(
            () => (i % 2 == 0 ? Here : There).TryPut("owner", $"{i}", 0, lease.Id, out _)))).Soon();
        int winner = Array.IndexOf(won, true);
        Assert.Single(won, true);
        Assert.Equal($"{winner}", (await SeenAsync(There, "owner", entry => entry is not null))!.Value);
        foreach (ILease lease in leases) lease.Dispose();
    }

    [Fact]
    public async Task TryPut_LeaseThatHasEnded_WritesNothing()
    {
        ILease ended = Here.Grant();
        ended.Dispose();
        Assert.False(Here.TryPut("key", "ghost", 0, ended.Id, out DirectoryEntry? present));
        Assert.Null(present);
        using ILease lease = There.Grant();
        Assert.True(There.TryPut("key", "alive", 0, lease.Id, out _));
        Assert.Equal("alive", (await SeenAsync(Here, "key", entry => entry is not null))!.Value);
    }

    [Fact]
    public async Task Dispose_OneLease_EndsItsEntriesAndNoOthers()
    {
        ILease ending = Here.Grant();
        using ILease staying = Here.Grant();
        Here.TryPut("a", "ends", 0, ending.Id, out _);
        Here.TryPut("b", "ends", 0, ending.Id, out _);
        Here.TryPut("c", "stays", 0, staying.Id, out _);
        await SeenAsync(There, "c", entry => entry is not null);
        ending.Dispose();
        await SeenAsync(There, "a", entry => entry is null);
        await SeenAsync(There, "b", entry => entry is null);
        Assert.Equal(["c"], There.View.Entries.Keys);
    }

    [Fact]
    public async Task TryPut_LeaseOfAnother_EndsWithItAndNotBefore()
    {
        ILease another = There.Grant();
        There.TryPut("theirs", "1", 0, another.Id, out DirectoryEntry? theirs);
        Assert.True(Here.TryPut("mark", "2", 0, theirs!.Lease, out DirectoryEntry? mark));
        Assert.Equal(theirs.Lease, (await SeenAsync(There, "mark", entry => entry is not null))!.Lease);
        Assert.True(There.TryPut("mark", "3", mark!.Revision, another.Id, out _));
        await SeenAsync(Here, "mark", entry => entry?.Value == "3");
        another.Dispose();
        await SeenAsync(Here, "mark", entry => entry is null);
        Assert.False(Here.TryPut("mark", "4", 0, theirs.Lease, out _));
    }

    [Fact]
    public async Task Renew_InTime_KeepsTheEntryAndTheSilentOneIsGone()
    {
        using ILease kept = Here.Grant();
        using ILease silent = There.Grant();
        Here.TryPut("kept", "", 0, kept.Id, out _);
        There.TryPut("silent", "", 0, silent.Id, out _);
        await SeenAsync(Here, "silent", entry => entry is not null);
        using var beat = new Beat("test", TimeSpan.FromSeconds(1), kept.Renew);
        await SeenAsync(Here, "silent", entry => entry is null);
        Assert.Equal(["kept"], Here.View.Entries.Keys);
        Assert.False(silent.Renew());
        Assert.True(kept.Renew());
    }

    [Fact]
    public async Task WaitForChangeAsync_ManyChanges_EndsWithTheLastView()
    {
        const int Changes = 50;
        using ILease lease = Here.Grant();
        Task<DirectoryView> watcher = Task.Run(async () =>
        {
            DirectoryView view = There.View;
            while (view.Entries.GetValueOrDefault("key")?.Value != $"{Changes}")
                view = await There.WaitForChangeAsync(view.Version, Patience.Token);
            return view;
        });
        DirectoryEntry? present = null;
        for (int i = 1; i <= Changes; i++) Assert.True(Here.TryPut("key", $"{i}", present?.Revision ?? 0, lease.Id, out present));
        Assert.Equal(present, (await watcher.Soon()).Entries["key"]);
    }

    [Fact]
    public async Task WaitForChangeAsync_Cancelled_Throws()
    {
        using var cancelling = new CancellationTokenSource();
        Task<DirectoryView> waiting = Here.WaitForChangeAsync(long.MaxValue, cancelling.Token);
        await cancelling.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.Soon());
    }

    [Fact]
    public async Task Join_Member_IsSeenAndItsNameIsTaken()
    {
        Member member = Members.Make("silo-1", "10.0.0.1:4000") with { LastEpoch = ulong.MaxValue };
        using ILease lease = Here.Join(member);
        await SeenAsync(There, member.Key, entry => entry is not null);
        Assert.Equal(member, Assert.Single(There.View.Members));
        DirectoryException fault = Assert.Throws<DirectoryException>(() => There.Join(Members.Make("silo-1")));
        Assert.Equal("A silo named 'silo-1' is a member already (process 17 at 10.0.0.1:4000).", fault.Message);
    }

    [Fact]
    public async Task Announce_WhatChanges_IsWrittenAgain()
    {
        ulong epoch = 1;
        await using Presence presence =
            Here.Announce(() => Members.Make("silo-1") with { LastEpoch = Volatile.Read(ref epoch) }, new RecordingLogger());
        await Patience.UntilAsync(() => There.View.Members is [{ LastEpoch: 1 }], () => "epoch 1");
        Volatile.Write(ref epoch, 2);
        await Patience.UntilAsync(() => There.View.Members is [{ LastEpoch: 2 }], () => "epoch 2");
    }

    [Fact]
    public async Task Presence_LeaseLost_TakesANewLeaseAndWritesAgain()
    {
        var directory = new KnownLeases(Here);
        var logger = new RecordingLogger();
        var presence = new Presence(directory, "key", () => "here", new PresenceWords("here", _ => "taken"), logger);
        DirectoryEntry first = (await SeenAsync(There, "key", entry => entry is not null))!;
        Assert.Single(directory.Leases).Dispose();
        DirectoryEntry second = (await SeenAsync(There, "key", entry => entry is not null && entry.Lease != first.Lease))!;
        Assert.True(second.Revision > first.Revision);
        Assert.Contains("Warning: The lease of 'key' in the directory has ended; taking a new one ", logger.Messages);
        await presence.DisposeAsync().Soon();
        await SeenAsync(There, "key", entry => entry is null);
    }

    [Fact]
    public async Task Presence_AnswerLost_KnowsItsOwnEntry()
    {
        string value = "1";
        var directory = new KnownLeases(Here) { LosesNextAnswer = true };
        var words = new PresenceWords("here", _ => "unexpected");
        await using var presence = new Presence(directory, "key", () => Volatile.Read(ref value), words, new RecordingLogger());
        DirectoryEntry first = (await SeenAsync(There, "key", entry => entry is not null))!;
        await SeenAsync(Here, "key", entry => entry is not null);
        Volatile.Write(ref value, "2");
        DirectoryEntry second = (await SeenAsync(There, "key", entry => entry?.Value == "2"))!;
        Assert.Equal(first.Lease, second.Lease);
        Assert.False(directory.LosesNextAnswer);
    }

    [Fact]
    public async Task Presence_KeyThatTwoWant_GoesToTheSecondWhenTheFirstEnds()
    {
        var logger = new RecordingLogger();
        var first = new Presence(Here, "owner", () => "first", new PresenceWords("first is there", _ => "unexpected"), logger);
        await SeenAsync(There, "owner", entry => entry?.Value == "first");
        var words = new PresenceWords("second is there", other => $"{other.Value} has it");
        await using var second = new Presence(There, "owner", () => "second", words, logger);
        const string Refusal = "Warning: first has it ";
        await Patience.UntilAsync(() => logger.Messages.Contains(Refusal), () => string.Join('\n', logger.Messages));
        await first.DisposeAsync().Soon();
        await SeenAsync(Here, "owner", entry => entry?.Value == "second");
        string[] said = ["Information: first is there ", Refusal, "Information: second is there "];
        await Patience.UntilAsync(() => logger.Messages.SequenceEqual(said), () => string.Join('\n', logger.Messages));
    }

    [Fact]
    public async Task View_EntryThatIsNoSilo_IsAFaultAndNoMember()
    {
        using ILease lease = Here.Grant();
        Here.TryPut("silos/a", "{}", 0, lease.Id, out _);
        Here.TryPut("silos/b", "not json", 0, lease.Id, out _);
        Here.TryPut("silos/c", Members.Make("another").ToText(), 0, lease.Id, out _);
        Here.TryPut("silos/d", (Members.Make("d") with { Threads = 0 }).ToText(), 0, lease.Id, out _);
        await SeenAsync(There, "silos/d", entry => entry is not null);
        Assert.Empty(There.View.Members);
        Assert.Equal(4, There.View.Faults.Count);
        Assert.Contains("Silo 'another' is at 'silos/c'; expected 'silos/another'.", There.View.Faults);
        Assert.Contains("Silo 'd' has 0 threads; expected at least 1.", There.View.Faults);
    }

    /// <summary>Waits until the entry of a key is as expected.</summary>
    protected static async Task<DirectoryEntry?> SeenAsync(IDirectory directory, string key, Func<DirectoryEntry?, bool> expected)
    {
        DirectoryView view = directory.View;
        while (!expected(view.Entries.GetValueOrDefault(key)))
            view = await directory.WaitForChangeAsync(view.Version, Patience.Token).Soon();
        return view.Entries.GetValueOrDefault(key);
    }

    /// <summary>A directory whose leases a test can end, as if they had not been renewed in time, and whose answers can be lost.</summary>
    private sealed class KnownLeases(IDirectory directory) : IDirectory
    {
        public bool LosesNextAnswer { get; set; }

        public List<ILease> Leases { get; } = [];

        public DirectoryView View => directory.View;

        public Task<DirectoryView> WaitForChangeAsync(long version, CancellationToken cancellationToken) =>
            directory.WaitForChangeAsync(version, cancellationToken);

        public ILease Grant()
        {
            Leases.Add(directory.Grant());
            return Leases[^1];
        }

        public bool TryPut(string key, string value, long revision, long lease, out DirectoryEntry? present)
        {
            bool written = directory.TryPut(key, value, revision, lease, out present);
            if (!LosesNextAnswer) return written;
            LosesNextAnswer = false;
            throw new DirectoryException("The answer is lost.");
        }
    }
}
