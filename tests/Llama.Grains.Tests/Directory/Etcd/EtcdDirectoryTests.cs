using System.Net;
using System.Net.Sockets;
using System.Text;
using Llama.Grains.Directory;
using Llama.Grains.Directory.Etcd;
using Llama.Grains.Settings;
using Llama.Tests;

namespace Llama.Grains.Tests.Directory.Etcd;

/// <summary>What a directory makes of what a real etcd answers; when it does not answer, see <see cref="EtcdOutageTests"/>.</summary>
public sealed class EtcdDirectoryTests
{
    private readonly RecordingLogger logger = new();

    [Fact]
    public async Task Grant_FirstServersDoNotAnswer_TheNextIsAsked()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        using var nobody = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        nobody.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await using EtcdDirectory directory = Open(
            $"etcd://{nobody.LocalEndPoint},{silent.LocalEndpoint},127.0.0.1:{etcd.Port}");
        await using Presence presence = directory.Announce(() => Members.Make("silo-1"), logger);
        await MembersAsync(directory, "silo-1");
    }

    [Fact]
    public async Task Grant_NoServerAnswers_SaysWhichAndWhy()
    {
        using var nobody = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        nobody.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await using EtcdDirectory directory = Open($"etcd://{nobody.LocalEndPoint}");
        DirectoryException fault = Assert.Throws<DirectoryException>(directory.Grant);
        Assert.Contains($"etcd cannot be reached ({nobody.LocalEndPoint}: ", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WatchAsync_RevisionThatIsCompacted_EndsWithThatReasonAndTheViewGoesOn()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        EtcdAddress address = EtcdAddress.Parse(etcd.Address());
        await using EtcdDirectory directory = Open(etcd.Address());
        using ILease lease = directory.Grant();
        Assert.True(directory.TryPut("key", "1", 0, lease.Id, out DirectoryEntry? entry));
        Assert.True(directory.TryPut("key", "2", entry!.Revision, lease.Id, out entry));
        using var client = new EtcdClient(address, null);
        client.Call<EtcdNothing>("kv/compaction", new { revision = entry!.Revision });

        byte[] key = Encoding.UTF8.GetBytes("llama/key");
        DirectoryException fault = await Assert.ThrowsAsync<DirectoryException>(async () =>
        {
            await foreach (EtcdWatchAnswer answer in client.WatchAsync(new EtcdWatch(new EtcdWatchCreate(key, [], 1)), Patience.Token))
                Assert.Null(answer.Events);
        }).Soon();
        Assert.Equal($"etcd has ended the watch: what came before revision {entry.Revision} is compacted.", fault.Message);

        Assert.True(directory.TryPut("key", "3", entry.Revision, lease.Id, out _));
        await Patience.UntilAsync(() => directory.View.Entries.GetValueOrDefault("key")?.Value == "3", () => "3");
    }

    [Fact]
    public async Task Login_EtcdThatAsksForOne_IsUsedAlsoAfterItsTokenIsOver()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync();
        using (var client = new EtcdClient(EtcdAddress.Parse(etcd.Address()), null))
        {
            client.Call<EtcdNothing>("auth/user/add", new { name = "root", password = "pass:word" });
            client.Call<EtcdNothing>("auth/role/add", new { name = "root" });
            client.Call<EtcdNothing>("auth/user/grant", new { user = "root", role = "root" });
            client.Call<EtcdNothing>("auth/enable", new { });
        }

        await using EtcdDirectory stranger = Open(etcd.Address());
        Assert.Contains("user name is empty", Assert.Throws<EtcdException>(() => Write(stranger)).Message, StringComparison.Ordinal);
        await using EtcdDirectory wrong = Open(etcd.Address(), new DirectoryLogin("root", "word"));
        Assert.Contains("invalid user ID or password", Assert.Throws<EtcdException>(() => Write(wrong)).Message, StringComparison.Ordinal);

        await using EtcdDirectory directory = Open(etcd.Address(), new DirectoryLogin("root", "pass:word"));
        await using Presence presence = directory.Announce(() => Members.Make("silo-1"), logger);
        await MembersAsync(directory, "silo-1");

        // A server that starts anew knows none of its tokens.
        etcd.Kill();
        await etcd.StartAsync();
        using ILease lease = directory.Join(Members.Make("silo-2"));
        await MembersAsync(directory, "silo-1", "silo-2");
    }

    private static void Write(EtcdDirectory directory) => directory.Join(Members.Make("silo-1"));

    private static Task MembersAsync(EtcdDirectory directory, params string[] names) => Patience.UntilAsync(
        () => directory.View.Members.Select(member => member.Name).SequenceEqual(names),
        () => string.Join(", ", directory.View.Members.Select(member => member.Name)));

    private EtcdDirectory Open(string address, DirectoryLogin? login = null) =>
        new(EtcdAddress.Parse(address), login, TimeProvider.System, logger);
}
