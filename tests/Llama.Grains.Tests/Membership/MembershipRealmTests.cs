using Llama.Grains.Certificates;
using Llama.Grains.Membership;
using Llama.Tests;

namespace Llama.Grains.Tests.Membership;

/// <summary>Which rows of a document are of a process's own cluster.</summary>
public sealed class MembershipRealmTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Has_RowsOfOtherKeys_AreOfOtherClusters()
    {
        MembershipSecrets keyed = Keyed("the key of this cluster"), other = Keyed("the key of another one"), open = new();
        Assert.True(new MembershipRealm(keyed).Has(Row(keyed)));
        Assert.True(new MembershipRealm(open).Has(Row(open)));
        foreach ((MembershipSecrets self, MembershipSecrets row) in new[] { (keyed, other), (keyed, open), (open, keyed) })
        {
            var realm = new MembershipRealm(self);
            Assert.False(realm.Has(Row(row)));
            Assert.Equal("another cluster key", realm.Difference(Row(row)));
        }

        Assert.False(new MembershipRealm(open).Has(Row(open) with { Realm = null }));
        Assert.DoesNotContain("this cluster", Row(keyed).Realm!.Key, StringComparison.Ordinal);
    }

    [Fact]
    public void Has_CertificatesOfAuthorities_CountWhereTheyAreTrusted()
    {
        MembershipSecrets ours = Certified("ours", "a"), alsoOurs = Certified("ours", "b"), stranger = Certified("theirs", "c"), plain = new();
        var realm = new MembershipRealm(ours);
        Assert.True(realm.Has(Row(alsoOurs)));
        Assert.False(realm.Has(Row(stranger)));
        Assert.Equal("a certificate of an authority that this process does not trust", realm.Difference(Row(stranger)));
        Assert.False(realm.Has(Row(plain)));
        Assert.Equal("no TLS, which this process has", realm.Difference(Row(plain)));
        Assert.False(new MembershipRealm(plain).Has(Row(ours)));

        // While an authority is replaced both are trusted.
        string both = Path.Combine(folder["a"], CertificateFolder.Authorities);
        File.AppendAllText(both, File.ReadAllText(Path.Combine(folder["c"], CertificateFolder.Authorities)));
        realm = new MembershipRealm(new MembershipSecrets { Certificate = CertificateFolder.Load(folder["a"]) });
        Assert.True(realm.Has(Row(alsoOurs)));
        Assert.True(realm.Has(Row(stranger)));
    }

    private static MembershipSecrets Keyed(string key) => new() { Key = System.Text.Encoding.UTF8.GetBytes(key) };

    private static SiloRow Row(MembershipSecrets secrets) =>
        SiloRow.Of(LocalSilo.EntryOf(1, SiloStatus.Active), null, new MembershipRealm(secrets).Own);

    private MembershipSecrets Certified(string authority, string name)
    {
        CertificateAuthority.Open(folder[authority], $"the authority of {authority}", TimeProvider.System).Issue(folder[name], name);
        return new MembershipSecrets { Certificate = CertificateFolder.Load(folder[name]) };
    }
}
