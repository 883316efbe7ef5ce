using System.Net;
using System.Net.Sockets;
using System.Text;
using Llama.Grains.Directory;
using Llama.Grains.Tests.Links;

namespace Llama.Grains.Tests.Directory;

public sealed class GatewayConnectionTests : IDisposable
{
    private readonly EmbeddedDirectory directory = new(TimeProvider.System);
    private readonly Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly RecordingLogger logger = new();

    public GatewayConnectionTests()
    {
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(10);
    }

    public void Dispose()
    {
        listener.Dispose();
        directory.Dispose();
    }

    [Fact]
    public async Task RunAsync_GatewayThatClosesAndComesBack_JoinsAgainWithANewLastEpoch()
    {
        using var leaving = new CancellationTokenSource();
        ulong epoch = 0;
        Task running = Connection(() => Members.Make("silo-1") with { LastEpoch = ++epoch }).RunAsync(leaving.Token);
        for (ulong round = 1; round <= 3; round++)
        {
            using var closing = new CancellationTokenSource();
            Task serving =
                ServeOnceAsync("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: llama-link\r\n\r\n", closing.Token);
            await directory.WaitForChangeAsync(((long)round * 2) - 2, Patience.Token).Soon();
            Assert.Equal(round, Assert.Single(directory.View.Members).LastEpoch);
            await closing.CancelAsync();
            await serving.Soon();
            Assert.Empty(directory.View.Members);
        }

        await leaving.CancelAsync();
        await running.Soon();
    }

    [Fact]
    public async Task RunAsync_AnswerThatIsNoGateway_IsTriedAgainAndSaidOnce()
    {
        using var leaving = new CancellationTokenSource();
        Task running = Connection(() => Members.Make("silo-1")).RunAsync(leaving.Token);
        for (int round = 0; round < 3; round++) await ServeOnceAsync("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Patience.Token);
        await leaving.CancelAsync();
        await running.Soon();
        Assert.Contains("answered 404", Assert.Single(logger.Messages), StringComparison.Ordinal);
    }

    [Fact]
    public async Task RunAsync_NobodyListens_EndsWhenCancelled()
    {
        listener.Dispose();
        using var leaving = new CancellationTokenSource();
        Task running = Connection(() => Members.Make("silo-1"), 1).RunAsync(leaving.Token);
        await leaving.CancelAsync();
        await running.Soon();
    }

    private GatewayConnection Connection(Func<Member> member, int? port = null) => new(
        new Uri($"http://127.0.0.1:{port ?? ((IPEndPoint)listener.LocalEndPoint!).Port}"), LinkPair.Identity("silo-1"), member, logger);

    /// <summary>Answers one HTTP request, and serves the link that it becomes.</summary>
    private async Task ServeOnceAsync(string answer, CancellationToken cancellationToken)
    {
        using Socket accepted = await listener.AcceptAsync(Patience.Token).AsTask().Soon();
        await using var stream = new NetworkStream(accepted);
        var request = new StringBuilder();
        byte[] buffer = new byte[1];
        while (!request.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            await stream.ReadExactlyAsync(buffer, Patience.Token);
            request.Append((char)buffer[0]);
        }

        Assert.StartsWith($"GET {GatewayConnection.Path} HTTP/1.1", request.ToString(), StringComparison.Ordinal);
        Assert.Contains("Upgrade: llama-link", request.ToString(), StringComparison.Ordinal);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(answer), Patience.Token);
        if (answer.Contains("101", StringComparison.Ordinal))
            await DirectoryLinks.ServeAsync(stream, LinkPair.Identity("gateway"), directory, logger, cancellationToken);
    }
}
