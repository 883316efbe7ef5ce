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
        Assert.DoesNotContain(logger.Messages, message => message.Contains("lost its lease", StringComparison.Ordinal));
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
        await Task.Delay(LeaseTime / 2, Patience.Token);
        await etcd.StartAsync();
        await watching.Soon();

        Assert.All(views, view => Assert.Contains(view.Members, member => member.Name == "silo-1"));
        Assert.NotEqual(before, directory.View.Entries["silos/silo-1"].Lease);
        Assert.Contains(logger.Messages, message => message.Contains("Silo silo-1 has lost its lease and takes a new one", StringComparison.Ordinal));
    }

    [Fact]
    public async Task View_EtcdThatStoodStill_WhoLivesIsNeverMissing()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        await using EtcdDirectory directory = Open(etcd);
        await using Presence presence = directory.Announce(() => Members.Make("silo-1"), logger);
        await MembersAsync(directory, "silo-1");
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
        await SaidAsync("Silo silo-1 has lost its lease and takes a new one");
        await Task.Delay(2 * Presence.Interval, Patience.Token);
        await stopping.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching.Soon());
        Assert.All(views, view => Assert.Single(view.Members));
        await MembersAsync(directory, "silo-1");
    }

    private static Task MembersAsync(EtcdDirectory directory, params string[] names) => Patience.UntilAsync(
        () => directory.View.Members.Select(member => member.Name).SequenceEqual(names),
        () => string.Join(", ", directory.View.Members.Select(member => member.Name)));

    private Task SaidAsync(string part) => Patience.UntilAsync(
        () => logger.Messages.Any(message => message.Contains(part, StringComparison.Ordinal)), () => string.Join('\n', logger.Messages));

    private EtcdDirectory Open(EtcdServer etcd) => new(EtcdAddress.Parse(etcd.Address()), null, TimeProvider.System, logger, LeaseTime);
}
