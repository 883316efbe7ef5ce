using System.Net;
using System.Net.Sockets;
using Llama.Grains.Links;

namespace Llama.Grains.Tests.Links;

public sealed class DiallerTests
{
    private static readonly LinkTarget Target = new(LinkPurpose.Check);

    [Fact]
    public async Task DialAsync_NobodyListens_NamesAddressAndPurpose()
    {
        int port;
        using (var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        }

        IOException fault = await Assert.ThrowsAsync<IOException>(
            () => Dialler.DialAsync($"127.0.0.1:{port}", LinkPair.Identity("silo-1"), Target, Patience.Token).Soon());
        Assert.Contains($"127.0.0.1:{port}", fault.Message, StringComparison.Ordinal);
        Assert.Contains("Check", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("nowhere")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:")]
    [InlineData("127.0.0.1:99999")]
    [InlineData("::1:80")]
    [InlineData("a b:80")]
    public async Task DialAsync_NoAddress_ThrowsIOException(string address)
    {
        IOException fault = await Assert.ThrowsAsync<IOException>(
            () => Dialler.DialAsync(address, LinkPair.Identity("silo-1"), Target, Patience.Token).Soon());
        Assert.Contains($"'{address}'", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DialAsync_NobodyAnswers_GivesUpAtTheDeadline()
    {
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        silent.Listen(1);
        IOException fault = await Assert.ThrowsAsync<IOException>(
            () => Dialler.DialAsync(silent.LocalEndPoint!.ToString()!, LinkPair.Identity("silo-1"), Target, Patience.Token).Soon());
        Assert.Contains("within 5 s", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DialAsync_Cancelled_ThrowsThat()
    {
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        silent.Listen(1);
        using var cancelling = new CancellationTokenSource();
        Task<Stream> dialling = Dialler.DialAsync(silent.LocalEndPoint!.ToString()!, LinkPair.Identity("silo-1"), Target, cancelling.Token);
        await cancelling.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dialling.Soon());
    }
}
