using Llama.Grains.Membership;
using Llama.Grains.Membership.Etcd;
using Llama.Grains.Membership.Files;
using Llama.Grains.Membership.Http;
using Llama.Tests;
using Microsoft.Extensions.Configuration;

namespace Llama.Grains.Tests.Membership;

public sealed class ClusterAddressTests
{
    [Theory]
    [InlineData("/var/lib/llama", "Files", "/var/lib/llama", "llama")]
    [InlineData("file:///var/lib/my%20llama", "Files", "/var/lib/my llama", "llama")]
    [InlineData("http://node-1:8080", "Gateway", "http://node-1:8080", "llama")]
    [InlineData("HTTPS://[::1]:8443/", "Gateway", "https://[::1]:8443", "llama")]
    [InlineData("etcd://node-1", "Etcd", "etcd://node-1:2379", "llama")]
    [InlineData("etcds://node-1:1,[::1]:2,10.0.0.3/second", "Etcd", "etcds://node-1:1,[::1]:2,10.0.0.3:2379", "second")]
    [InlineData("redis://node-1", "Redis", "node-1:6379,defaultDatabase=0,ssl=False,abortConnect=False", "llama")]
    [InlineData("rediss://node-1:7000/3", "Redis", "node-1:7000,defaultDatabase=3,ssl=True,abortConnect=False", "llama")]
    public void Parse_Address_SaysTheSameInOrleansWords(string text, string provider, string connection, string cluster)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() && provider == "Files", "folders have other names there");
        ClusterAddress address = ClusterAddress.Parse(text);

        Assert.Equal(new ClusterAddress(provider, connection, cluster), address);
        Assert.Equal(
            new Dictionary<string, string?>
            {
                ["Orleans:ClusterId"] = cluster,
                ["Orleans:ServiceId"] = cluster,
                ["Orleans:Clustering:ProviderType"] = provider,
                ["Orleans:Clustering:ConnectionString"] = connection,
            },
            address.ToConfiguration().ToDictionary());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void Parse_Nothing_IsAFolderOfThisUser(string? text)
    {
        ClusterAddress address = ClusterAddress.Parse(text);
        Assert.Equal((ClusterAddress.Files, FileDocument.DefaultRoot), (address.ProviderType, address.ConnectionString));
        Assert.True(Path.IsPathFullyQualified(FileDocument.DefaultRoot));
    }

    [Fact]
    public void Parse_RelativeFolder_IsOneOfTheCurrentFolder() =>
        Assert.Equal(Path.GetFullPath("clusters"), ClusterAddress.Parse("clusters").ConnectionString);

    [Theory]
    [InlineData("consul://node-1", "is no address of a cluster; expected a folder, file:///folder, memory, http(s)://")]
    [InlineData("://node-1", "is no address of a cluster")]
    [InlineData("file://node-1/llama", "is no folder of this machine")]
    [InlineData("http://", "is no address of a gateway")]
    [InlineData("http://node-1:8080/v1", "has something after the gateway's port")]
    [InlineData("http://me:secret@node-1:8080", "holds a user; expected user and password in a file that --cluster-login-file names")]
    [InlineData("etcd://", "has the server ''; expected host or host:port")]
    [InlineData("etcd://node-1:0/llama", "has the server 'node-1:0'")]
    [InlineData("etcd://node-1,/llama", "has the server ''")]
    [InlineData("etcd://node-1/a/b", "has more than a cluster's name")]
    [InlineData("etcd://node-1/..", "has the cluster's name '..'")]
    [InlineData("etcd://me:secret@node-1", "holds a user")]
    [InlineData("redis://node 1", "has the server 'node 1'")]
    [InlineData("redis://node-1/llama", "has something else than the number of a database")]
    [InlineData("redis://:secret@node-1", "holds a user")]
    public void Parse_NoAddress_SaysWhatIsWrong(string text, string fault)
    {
        FormatException exception = Assert.Throws<FormatException>(() => ClusterAddress.Parse(text));
        Assert.Contains(fault, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_OfEachProvider_IsItsDocument()
    {
        using var folder = new TemporaryFolder();
        using IMembershipDocument files = Documents.Open(folder["root"]);
        using IMembershipDocument gateway = Documents.Open("http://127.0.0.1:8080");
        using IMembershipDocument memory = Documents.Open(ClusterAddress.OfThisProcess);
        using IMembershipDocument etcd = Documents.Open("etcd://127.0.0.1:2379,127.0.0.2:2379/second");

        Assert.IsType<FileDocument>(files);
        Assert.Equal(folder["root/llama"], files.Location);
        Assert.IsType<GatewayDocument>(gateway);
        Assert.Equal("http://127.0.0.1:8080/cluster/membership", gateway.Location);
        Assert.IsType<MemoryDocument>(memory);
        Assert.IsType<EtcdDocument>(etcd);
        Assert.Equal("etcd://127.0.0.1:2379,127.0.0.2:2379/second", etcd.Location);
        Assert.Null(Documents.Open("redis://127.0.0.1"));
    }

    [Fact]
    public void Open_ConnectionThatTheSectionNames_IsFound()
    {
        using var folder = new TemporaryFolder();
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Orleans:ClusterId"] = "second",
            ["Orleans:Clustering:ProviderType"] = "Files",
            ["Orleans:Clustering:ServiceKey"] = "members",
            ["ConnectionStrings:members"] = folder["root"],
        }).Build();

        using IMembershipDocument? files = MembershipProviders.Open(configuration, new MembershipSecrets(), TimeProvider.System);

        Assert.Equal(folder["root/second"], files?.Location);
    }

    [Theory]
    [InlineData("Etcd", null, "'' is missing; expected etcd://")]
    [InlineData("Etcd", "etcd://:1", "'etcd://:1' has the server ':1'")]
    [InlineData("Gateway", "node-1:8080", "'node-1:8080' is no address of a gateway")]
    public void Open_WrongConnection_IsRefusedByName(string provider, string? connection, string fault)
    {
        InvalidDataException exception = Assert.Throws<InvalidDataException>(
            () => Documents.Open(new ClusterAddress(provider, connection, "llama")));
        Assert.Contains($"Orleans:Clustering:ConnectionString: {fault}", exception.Message, StringComparison.Ordinal);
    }
}
