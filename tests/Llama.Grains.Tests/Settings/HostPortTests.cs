using Llama.Grains.Settings;

namespace Llama.Grains.Tests.Settings;

public sealed class HostPortTests
{
    [Theory]
    [InlineData("127.0.0.1:9000", "127.0.0.1", 9000)]
    [InlineData("node-7.example.org:0", "node-7.example.org", 0)]
    [InlineData("node-7", "node-7", null)]
    [InlineData("[::1]:65535", "::1", 65535)]
    [InlineData("[fe80::1]", "fe80::1", null)]
    [InlineData("::1", "::1", null)]
    public void Parse_Address_ReturnsHostAndPort(string text, string host, int? port)
    {
        HostPort parsed = HostPort.Parse(text);

        Assert.Equal(new HostPort(host, port), parsed);
        Assert.Equal(parsed, HostPort.Parse(parsed.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData(":80")]
    [InlineData("host:")]
    [InlineData("host:65536")]
    [InlineData("host:-1")]
    [InlineData("host: 80")]
    [InlineData("http://host:80")]
    [InlineData("a b:80")]
    [InlineData("[host]:80")]
    [InlineData("[]:80")]
    [InlineData("*:80")]
    public void Parse_NoAddress_Throws(string text) => Assert.Throws<FormatException>(() => HostPort.Parse(text));

    [Theory]
    [InlineData("127.0.0.1:1", true)]
    [InlineData("127.5.6.7", true)]
    [InlineData("[::1]:1", true)]
    [InlineData("LocalHost:1", true)]
    [InlineData("0.0.0.0:1", false)]
    [InlineData("[::]:1", false)]
    [InlineData("10.0.0.1:1", false)]
    [InlineData("localhost.example.org", false)]
    public void IsLoopback_Address_TellsWhetherOthersReachIt(string text, bool expected)
        => Assert.Equal(expected, HostPort.Parse(text).IsLoopback);

    [Theory]
    [InlineData("0.0.0.0:1", true)]
    [InlineData("[::]:1", true)]
    [InlineData("10.0.0.1:1", false)]
    [InlineData("node-7", false)]
    public void IsEveryInterface_Address_TellsWhetherNobodyCanConnectToIt(string text, bool expected)
        => Assert.Equal(expected, HostPort.Parse(text).IsEveryInterface);

    [Theory]
    [InlineData("127.5.6.7:1", "127.5.6.7")]
    [InlineData("[::1]", "::1")]
    [InlineData("localhost", "127.0.0.1")]
    public void FindAddress_Host_GivesItsAddress(string text, string expected)
        => Assert.Equal(expected, HostPort.Parse(text).FindAddress().ToString());

    [Fact]
    public void FindAddress_UnknownName_ThrowsWithTheName()
    {
        var exception = Assert.Throws<IOException>(() => HostPort.Parse("no-such-host.invalid").FindAddress());
        Assert.StartsWith("Cannot find an address of 'no-such-host.invalid': ", exception.Message, StringComparison.Ordinal);
    }
}
