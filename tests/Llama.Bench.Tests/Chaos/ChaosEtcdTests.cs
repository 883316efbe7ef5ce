using Llama.Bench.Chaos;
using Llama.Grains.Membership;
using Llama.Tests;
using Microsoft.Extensions.Configuration;

namespace Llama.Bench.Tests.Chaos;

public class ChaosEtcdTests
{
    private const long Deadline = 30_000;

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Fact]
    public async Task BeginAsync_Actions_IsAwayUntilTheEndAndThenHasItsDataOrNone()
    {
        Assert.SkipUnless(EtcdServer.IsThere, "needs the program etcd (Debian: etcd-server)");
        List<string> faults = [];
        await using var etcd = new ChaosEtcd(_ => { }, faults.Add);
        IConfiguration configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(ClusterAddress.Parse(etcd.Cluster).ToConfiguration()).Build();
        using IMembershipDocument document = MembershipProviders.Open(configuration, new MembershipSecrets(), TimeProvider.System)!;
        StoredDocument empty = await ReadAsync(document);
        Assert.True(await document.TryWriteAsync("before a", empty.Revision, "a", TestEnds));

        await etcd.BeginAsync(ChaosAction.KillEtcd);
        await Assert.ThrowsAsync<MembershipStoreException>(() => document.ReadAsync(TestEnds));
        etcd.End(ChaosAction.KillEtcd);
        Assert.Equal("before a", (await ReadAsync(document)).Text);
        Assert.False(await document.TryWriteAsync("after b", empty.Revision, "b", TestEnds));

        await etcd.BeginAsync(ChaosAction.HangEtcd);
        await HangsAsync(document);
        etcd.End(ChaosAction.HangEtcd);
        await ReadAsync(document);

        await etcd.BeginAsync(ChaosAction.EmptyEtcd);
        await Assert.ThrowsAsync<MembershipStoreException>(() => document.ReadAsync(TestEnds));
        etcd.End(ChaosAction.EmptyEtcd);
        Assert.Null((await ReadAsync(document)).Text);
        Assert.Empty(faults);
    }

    /// <summary>Reads until it fails: threads of a process that gets SIGSTOP may run for some milliseconds more, and answer.</summary>
    private static async Task HangsAsync(IMembershipDocument document)
    {
        for (long since = Environment.TickCount64; Environment.TickCount64 - since < Deadline; await Task.Delay(20, TestEnds))
        {
            try
            {
                await document.ReadAsync(TestEnds);
            }
            catch (MembershipStoreException)
            {
                return;
            }
        }

        Assert.Fail("It still answers.");
    }

    private static async Task<StoredDocument> ReadAsync(IMembershipDocument document)
    {
        for (long since = Environment.TickCount64; ; await Task.Delay(20, TestEnds))
        {
            try
            {
                return await document.ReadAsync(TestEnds);
            }
            catch (MembershipStoreException) when (Environment.TickCount64 - since < Deadline)
            {
                // Not yet.
            }
        }
    }
}
