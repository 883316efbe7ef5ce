using Llama.Bench.Chaos;
using Llama.Grains.Directory;
using Llama.Grains.Directory.Etcd;
using Llama.Tests;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Bench.Tests.Chaos;

public class ChaosEtcdTests
{
    private const long Deadline = 30_000;

    [Fact]
    public async Task BeginAsync_Kill_IsAwayUntilTheEndAndThenHasItsData()
    {
        Assert.SkipUnless(EtcdServer.IsThere, "needs the program etcd (Debian: etcd-server)");
        List<string> faults = [];
        await using var etcd = new ChaosEtcd(_ => { }, faults.Add);
        await using var directory = new EtcdDirectory(EtcdAddress.Parse(etcd.Directory), null, TimeProvider.System, NullLogger.Instance);
        ILease lease = await GrantAsync(directory);
        Assert.True(directory.TryPut("a", "before", 0, lease.Id, out _));

        await etcd.BeginAsync(ChaosAction.KillEtcd);
        Assert.ThrowsAny<DirectoryException>(() => directory.Grant());
        etcd.End(ChaosAction.KillEtcd);
        lease = await GrantAsync(directory);
        Assert.False(directory.TryPut("a", "after", 0, lease.Id, out DirectoryEntry? present));
        Assert.Equal("before", present?.Value);

        await etcd.BeginAsync(ChaosAction.HangEtcd);
        Assert.ThrowsAny<DirectoryException>(() => directory.Grant());
        etcd.End(ChaosAction.HangEtcd);
        await GrantAsync(directory);
        Assert.Empty(faults);
    }

    private static async Task<ILease> GrantAsync(EtcdDirectory directory)
    {
        for (long since = Environment.TickCount64; ; await Task.Delay(20, TestContext.Current.CancellationToken))
        {
            try
            {
                return directory.Grant();
            }
            catch (DirectoryException) when (Environment.TickCount64 - since < Deadline)
            {
                // Not yet.
            }
        }
    }
}
