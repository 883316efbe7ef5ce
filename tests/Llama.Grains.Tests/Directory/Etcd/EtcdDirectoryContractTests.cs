using Llama.Grains.Directory;
using Llama.Grains.Directory.Etcd;
using Llama.Tests;

namespace Llama.Grains.Tests.Directory.Etcd;

/// <summary>The contract with a real etcd, of which every test has a part of its own.</summary>
public sealed class EtcdDirectoryContractTests(EtcdDirectoryContractTests.Server server)
    : DirectoryContract, IClassFixture<EtcdDirectoryContractTests.Server>, IAsyncLifetime
{
    private EtcdDirectory? here;
    private EtcdDirectory? there;

    protected override IDirectory Here => here!;

    protected override IDirectory There => there!;

    public ValueTask InitializeAsync()
    {
        Assert.SkipUnless(EtcdServer.IsThere, "needs the program etcd (Debian: etcd-server)");
        EtcdAddress address = EtcdAddress.Parse(server.Etcd!.Address($"{Guid.NewGuid()}"));
        here = new EtcdDirectory(address, null, TimeProvider.System, new RecordingLogger(), TimeSpan.FromSeconds(3));
        there = new EtcdDirectory(address, null, TimeProvider.System, new RecordingLogger(), TimeSpan.FromSeconds(3));
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (here is not null) await here.DisposeAsync().Soon();
        if (there is not null) await there.DisposeAsync().Soon();
    }

    /// <summary>One etcd for all tests.</summary>
    public sealed class Server : IAsyncLifetime
    {
        internal EtcdServer? Etcd { get; private set; }

        public async ValueTask InitializeAsync() => Etcd = EtcdServer.IsThere ? await EtcdServer.StartNewAsync() : null;

        public ValueTask DisposeAsync()
        {
            Etcd?.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
