using Llama.Grains.Certificates;
using Llama.Grains.Directory;
using Llama.Grains.Directory.Etcd;
using Llama.Grains.Tests.Certificates;
using Llama.Tests;

namespace Llama.Grains.Tests.Directory.Etcd;

/// <summary>A real etcd that speaks TLS and asks for certificates.</summary>
public sealed class EtcdTlsTests : IDisposable
{
    private readonly TestAuthority authority = new();
    private readonly TestAuthority others = new();
    private readonly RecordingLogger logger = new();

    public void Dispose()
    {
        authority.Dispose();
        others.Dispose();
    }

    [Fact]
    public async Task TryPut_EtcdWithTls_IsSeenByWhoeverHasACertificate()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync(authority.Issue("127.0.0.1"));
        await using EtcdDirectory here = Open(etcd.Address(), authority.Certificate("here"));
        await using EtcdDirectory there = Open(etcd.Address(), authority.Certificate("there"));
        using ILease lease = here.Grant();
        Assert.True(here.TryPut("key", "value", 0, lease.Id, out DirectoryEntry? entry));
        await Patience.UntilAsync(() => there.View.Entries.ContainsKey("key"), () => "The key is not seen.");
        Assert.Equal(entry, there.View.Entries["key"]);
        Assert.True(lease.Renew());
    }

    [Fact]
    public async Task Grant_EtcdThatIsNotTrusted_IsToldWhy()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync(authority.Issue("127.0.0.1"));
        AssertFault("it is not trusted: its certificate 'CN=127.0.0.1' is not signed by an authority in", etcd.Address(), others.Certificate("here"));
    }

    [Fact]
    public async Task Grant_EtcdWithTheNameOfAnother_IsToldWhy()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync(authority.Issue("node-7"));
        string address = etcd.Address().Replace("127.0.0.1", "[::ffff:127.0.0.1]", StringComparison.Ordinal);
        AssertFault("it is not trusted: its certificate 'CN=node-7' is for node-7", address, authority.Certificate("here"));
    }

    [Fact]
    public async Task Grant_CertificateThatEtcdDoesNotTrust_IsADirectoryThatIsAway()
    {
        using EtcdServer etcd = await EtcdServer.StartNewAsync(authority.Issue("127.0.0.1"));
        string own = others.Issue("here");
        ProcessCertificate stranger = TestAuthority.Unchecked(own, authority, others);
        AssertFault("etcd cannot be reached (127.0.0.1:", etcd.Address(), stranger);
    }

    [Fact]
    public async Task Grant_OneSideWithoutTls_IsToldSo()
    {
        using EtcdServer secure = await EtcdServer.StartNewAsync(authority.Issue("127.0.0.1"));
        AssertFault(
            "with TLS its address begins with etcds://", secure.Address().Replace("etcds:", "etcd:", StringComparison.Ordinal), null);
        using EtcdServer plain = await EtcdServer.StartNewAsync();
        AssertFault(
            "without TLS its address begins with etcd://", plain.Address().Replace("etcd:", "etcds:", StringComparison.Ordinal),
            authority.Certificate("here"));
        Assert.Throws<InvalidDataException>(() => new EtcdClient(EtcdAddress.Parse(secure.Address()), null));
    }

    private static void AssertFault(string expected, string address, ProcessCertificate? certificate)
    {
        using var client = new EtcdClient(EtcdAddress.Parse(address), null, certificate);
        DirectoryException fault =
            Assert.ThrowsAny<DirectoryException>(() => client.Call<EtcdLeaseAnswer>("lease/grant", new EtcdLeaseRequest { SecondsToLive = 3 }));
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
    }

    private EtcdDirectory Open(string address, ProcessCertificate certificate) =>
        new(EtcdAddress.Parse(address), null, TimeProvider.System, logger, certificate);
}
