using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Llama.Gateway.Tests.Hosting;
using Microsoft.Extensions.AI;

namespace Llama.Client.Tests;

/// <summary>Gateways that are lost, and answers that go on.</summary>
public sealed class RecoveryTests
{
    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Fact]
    public async Task GetStreamingResponse_ConnectionBreaksInTheMiddle_TheNextGatewayGoesOnWithTheSameTokens()
    {
        await using var first = await TestGateway.StartAsync();
        await using var second = await TestGateway.StartAsync();
        using var way = new BreakingWay(new Uri(first.RpcUrl).Port);
        first.Grain.BeforeToken = (position, ending) => position < 3 ? Task.CompletedTask : Task.Delay(TimeSpan.FromSeconds(20), ending);
        LlamaClientOptions options = TestClient.Options(first, second);
        options.Addresses[0] = way.Address;
        using var client = new LlamaChatClient(options);
        List<ChatResponseUpdate> updates = [];

        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync("Hi", cancellationToken: TestEnds))
        {
            updates.Add(update);
            if (updates.Count == 3) way.Break();
        }

        Assert.Equal(["H", "e", "l", "l", "o", ".", "", ""], updates.Select(update => update.Text));
        Assert.Single(updates.Select(update => update.MessageId).Distinct());
        Assert.Equal(first.Grain.Single.Seed, second.Grain.Single.Seed);
        Assert.Equal(first.Grain.Single.PromptTokens, second.Grain.Single.PromptTokens);

        // Nobody asks the lost one first any more.
        await client.GetResponseAsync("Hi", cancellationToken: TestEnds);
        Assert.Equal((1, 2), (first.Grain.Requests.Count, second.Grain.Requests.Count));
    }

    [Fact]
    public async Task GetStreamingResponse_OnlyWayBreaks_TheSameGatewayGoesOnWithItsAnswer()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var way = new BreakingWay(new Uri(gateway.RpcUrl).Port);
        var goOn = new TaskCompletionSource();
        gateway.Grain.BeforeToken = (position, ending) => position < 3 ? Task.CompletedTask : goOn.Task.WaitAsync(ending);
        LlamaClientOptions options = TestClient.Options(gateway);
        options.Addresses[0] = way.Address;
        using var client = new LlamaChatClient(options);
        string text = "";

        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync("Hi", cancellationToken: TestEnds))
        {
            text += update.Text;
            if (text != "Hel") continue;
            way.Break();
            goOn.TrySetResult();
        }

        Assert.Equal("Hello.", text);
        Assert.Single(gateway.Grain.Requests);
        Assert.Equal(0, gateway.Grain.Cancelled);
    }

    [Fact]
    public async Task GetStreamingResponse_AnotherAnswerGoesOn_IsRefused()
    {
        await using var first = await TestGateway.StartAsync();
        await using var second = await TestGateway.StartAsync();
        second.Grain.Script = _ => ['H', 'e', 'y', TestTokenizer.End];
        first.Grain.BeforeToken = (position, _) => position < 3 ? Task.CompletedTask : throw new Grains.Generation.GenerationException(
            Grains.Generation.GenerationError.Unavailable, "Lost.");
        using IChatClient client = TestClient.Of(first, second);

        var refused = await Assert.ThrowsAsync<LlamaException>(() => client.GetResponseAsync("Hi", cancellationToken: TestEnds));

        Assert.Equal(StatusCode.DataLoss, refused.Status);
        Assert.Contains("its token 3 differs", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GetResponse_NobodyListens_ThrowsWhenTheTimeIsOver()
    {
        using var closed = new BreakingWay(0);
        closed.Break();
        var options = new LlamaClientOptions { Addresses = [closed.Address], RecoveryTimeout = TimeSpan.FromSeconds(0.5) };
        using var client = new LlamaChatClient(options);
        var since = Stopwatch.StartNew();

        var lost = await Assert.ThrowsAsync<LlamaException>(() => client.GetResponseAsync("Hi", cancellationToken: TestEnds));

        Assert.Equal(StatusCode.Unavailable, lost.Status);
        Assert.StartsWith($"The gateway at {closed.Address} does not answer: ", lost.Message, StringComparison.Ordinal);
        Assert.InRange(since.Elapsed, TimeSpan.FromSeconds(0.2), TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task GetResponse_PortOfHttp_SaysWhichPortIsExpectedAtOnce()
    {
        await using var gateway = await TestGateway.StartAsync();
        using var client = new LlamaChatClient(new() { Addresses = [gateway.Client.BaseAddress!] });
        var since = Stopwatch.StartNew();

        var refused = await Assert.ThrowsAsync<LlamaException>(() => client.GetResponseAsync("Hi", cancellationToken: TestEnds));

        Assert.Equal($"{gateway.Client.BaseAddress} speaks HTTP/1.1 only; expected the port of --grpc-port.", refused.Message);
        Assert.InRange(since.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(20));
    }

    /// <summary>A way to a gateway, which breaks once; afterwards there is another one at the same address, if it leads anywhere.</summary>
    private sealed class BreakingWay : IDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource ending = new();
        private readonly List<Socket> sockets = [];
        private readonly int port;

        public BreakingWay(int port)
        {
            this.port = port;
            listener.Start();
            Address = new Uri($"http://{listener.LocalEndpoint}");
            _ = AcceptAsync();
        }

        public Uri Address { get; }

        /// <summary>Breaks the connections that there are, as the death of a process does.</summary>
        public void Break()
        {
            if (port == 0) listener.Stop();
            lock (sockets)
            {
                foreach (Socket socket in sockets) socket.Close(0);
                sockets.Clear();
            }
        }

        public void Dispose()
        {
            ending.Cancel();
            listener.Dispose();
            Break();
            ending.Dispose();
        }

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    Socket client = await listener.AcceptSocketAsync(ending.Token);
                    var server = new Socket(SocketType.Stream, ProtocolType.Tcp);
                    await server.ConnectAsync(IPAddress.Loopback, port, ending.Token);
                    lock (sockets) sockets.AddRange([client, server]);
                    _ = CopyAsync(client, server);
                    _ = CopyAsync(server, client);
                }
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // The test is over, or nobody listens any more.
            }
        }

        private static async Task CopyAsync(Socket from, Socket to)
        {
            var bytes = new byte[4096];
            try
            {
                while (await from.ReceiveAsync(bytes) is > 0 and int count) await to.SendAsync(bytes.AsMemory(0, count));
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // It broke.
            }
        }
    }
}
