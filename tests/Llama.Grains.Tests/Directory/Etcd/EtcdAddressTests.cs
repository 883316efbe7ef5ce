using Llama.Grains.Directory.Etcd;

namespace Llama.Grains.Tests.Directory.Etcd;

public sealed class EtcdAddressTests
{
    [Theory]
    [InlineData("etcd://node-7", "etcd://node-7:2379/llama")]
    [InlineData("etcd://node-7:1,[::1]:2,10.0.0.1", "etcd://node-7:1,[::1]:2,10.0.0.1:2379/llama")]
    [InlineData("ETCD://node-7:1/second", "etcd://node-7:1/second")]
    [InlineData("etcds://node-7,node-8:1/second", "etcds://node-7:2379,node-8:1/second")]
    public void TryParse_Address_IsReadWithItsDefaults(string text, string expected)
    {
        Assert.True(EtcdAddress.TryParse(text, out EtcdAddress? address));
        Assert.Equal(expected, address.ToString());
        Assert.EndsWith("/", address.Prefix, StringComparison.Ordinal);
        Assert.Equal(text.StartsWith("etcds:", StringComparison.Ordinal), address.IsSecure);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("etcd://")]
    [InlineData("etcds://")]
    [InlineData("etcdss://a")]
    [InlineData("etcd://a,")]
    [InlineData("etcd://a:0")]
    [InlineData("etcd://a:70000")]
    [InlineData("etcd://a/")]
    [InlineData("etcd://a/b/c")]
    [InlineData("etcd://root:secret@a:2379")]
    [InlineData("http://a:2379")]
    public void TryParse_AnythingElse_IsNone(string? text)
    {
        Assert.False(EtcdAddress.TryParse(text, out _));
        Assert.Equal(text is null, new EtcdAddressAttribute().IsValid(text));
    }
}
