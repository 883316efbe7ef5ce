using Llama.Grains.Directory;
using Llama.Grains.Directory.Etcd;
using Llama.Tests;

namespace Llama.Grains.Tests.Directory.Etcd;

/// <summary>What a directory makes of an etcd that is away for a while.</summary>
public sealed class EtcdOutageTests
{
    private static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(3);

    private readonly RecordingLogger logger = new();

    [Fact]
    public async Task View_EtcdKilledAndBack_StaysAndGhostsGo()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        await using EtcdDirectory directory = Open(etcd);
        await using Presence presence = directory.Announce(() => Members.Make("silo-1"), logger);
        directory.Join(Members.Make("ghost"));
        await MembersAsync(directory, "ghost", "silo-1");

        etcd.Kill();
        await SaidAsync("is away; the last view of it stays");
        Assert.Equal(2, directory.View.Members.Count);
        Assert.Throws<DirectoryException>(directory.Grant);

        await etcd.StartAsync();
        await MembersAsync(directory, "silo-1");
        await using EtcdDirectory other = Open(etcd);
        await MembersAsync(other, "silo-1");
        Assert.DoesNotContain(logger.Messages, message => message.Contains("has ended; taking a new one", StringComparison.Ordinal));
    }

    [Fact]
    public async Task View_EtcdComesBackWithoutItsData_WhoLivesIsNeverMissing()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        await using EtcdDirectory directory = Open(etcd);
        await using Presence presence = directory.Announce(() => Members.Make("silo-1"), logger);
        directory.Join(Members.Make("ghost"));
        await MembersAsync(directory, "ghost", "silo-1");
        long before = directory.View.Entries["silos/silo-1"].Lease;
        var views = new List<DirectoryView>();
        Task watching = Task.Run(async () =>
        {
            DirectoryView view = directory.View;
            while (view.Members.Any(member => member.Name == "ghost"))
            {
                view = await directory.WaitForChangeAsync(view.Version, Patience.Token);
                views.Add(view);
            }
        }, Patience.Token);

        etcd.Kill();
        etcd.Forget();
        await etcd.StartAsync();
        await watching.Soon();

        Assert.All(views, view => Assert.Contains(view.Members, member => member.Name == "silo-1"));
        Assert.NotEqual(before, directory.View.Entries["silos/silo-1"].Lease);
        await SaidAsync("The lease of 'silos/silo-1' in the directory has ended");
    }

    [Fact]
    public async Task View_EtcdThatStoodStill_WhoLivesIsNeverMissing()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        await using EtcdDirectory directory = Open(etcd);
        await using Presence presence = directory.Announce(() => Members.Make("silo-1"), logger);
        await MembersAsync(directory, "silo-1");

        // Who leads goes on to lead, though its lease has ended with that of the other.
        await using Presence leader = new(directory, "owner", () => "leader", new PresenceWords("", _ => ""), logger);
        await OwnedAsync(directory);
        await using EtcdDirectory another = Open(etcd);
        await OwnedAsync(another);
        await using Presence other = new(another, "owner", () => "other", new PresenceWords("", _ => ""), logger);
        long before = another.View.Entries["owner"].Lease;
        using var stopping = new CancellationTokenSource();
        var views = new List<DirectoryView>();
        Task watching = Task.Run(async () =>
        {
            DirectoryView view = directory.View;
            while (true) views.Add(view = await directory.WaitForChangeAsync(view.Version, stopping.Token));
        }, Patience.Token);

        etcd.Signal("STOP");
        await Task.Delay(LeaseTime + Presence.Interval, Patience.Token);
        etcd.Signal("CONT");
        await SaidAsync("The lease of 'silos/silo-1' in the directory has ended");
        await Task.Delay(Presence.Interval, Patience.Token);
        await stopping.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching.Soon());
        Assert.All(views, view => Assert.Single(view.Members));
        await Patience.UntilAsync(() => another.View.Entries["owner"].Lease != before, () => "a new lease");
        Assert.Equal("leader", another.View.Entries["owner"].Value);
        await MembersAsync(directory, "silo-1");
    }

    [Fact]
    public async Task View_WatchedServerHangs_AnotherIsWatched()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        using var hanging = new HangingProxy(etcd.Port);
        var address = EtcdAddress.Parse($"etcd://127.0.0.1:{hanging.Port},127.0.0.1:{etcd.Port}");
        await using var directory = new EtcdDirectory(address, null, TimeProvider.System, logger);
        await using Presence presence = directory.Announce(() => Members.Make("silo-1"), logger);
        await MembersAsync(directory, "silo-1");
        hanging.Hang();
        await using EtcdDirectory another = Open(etcd);
        await using Presence late = another.Announce(() => Members.Make("silo-2"), logger);
        await MembersAsync(directory, "silo-1", "silo-2");
        Assert.DoesNotContain(logger.Messages, message => message.Contains("has ended; taking a new one", StringComparison.Ordinal));
    }

    private static Task MembersAsync(EtcdDirectory directory, params string[] names) => Patience.UntilAsync(
        () => directory.View.Members.Select(member => member.Name).SequenceEqual(names),
        () => string.Join(", ", directory.View.Members.Select(member => member.Name)));

    private static Task OwnedAsync(EtcdDirectory directory) =>
        Patience.UntilAsync(() => directory.View.Entries.ContainsKey("owner"), () => "an owner");

    private Task SaidAsync(string part) => Patience.UntilAsync(
        () => logger.Messages.Any(message => message.Contains(part, StringComparison.Ordinal)), () => string.Join('\n', logger.Messages));

    private EtcdDirectory Open(EtcdServer etcd) => new(EtcdAddress.Parse(etcd.Address()), null, TimeProvider.System, logger, LeaseTime);
}
