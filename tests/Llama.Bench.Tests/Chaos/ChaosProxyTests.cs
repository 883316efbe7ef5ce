using System.Net;
using System.Net.Sockets;
using Llama.Bench.Chaos;

namespace Llama.Bench.Tests.Chaos;

public class ChaosProxyTests
{
    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Hold_Bytes_ComeWhenItIsMended()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var proxy = new ChaosProxy(((IPEndPoint)listener.LocalEndpoint).Port);
        using TcpClient client = await ConnectAsync(proxy);
        using Socket server = await listener.AcceptSocketAsync(TestEnds);
        byte[] buffer = new byte[2];

        await client.GetStream().WriteAsync(new byte[] { 1 }, TestEnds);
        Assert.Equal(1, await server.ReceiveAsync(buffer, TestEnds));
        proxy.Hold();
        await client.GetStream().WriteAsync(new byte[] { 2 }, TestEnds);
        Task<int> late = server.ReceiveAsync(buffer, TestEnds).AsTask();
        await Task.Delay(50, TestEnds);
        Assert.False(late.IsCompleted);
        proxy.Mend();
        Assert.Equal(1, await late);
        Assert.Equal(2, buffer[0]);
    }

    [Fact]
    public async Task Cut_Connections_EndAndNewOnesAreRefusedUntilItIsMended()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var proxy = new ChaosProxy(((IPEndPoint)listener.LocalEndpoint).Port);
        using TcpClient client = await ConnectAsync(proxy);
        using Socket server = await listener.AcceptSocketAsync(TestEnds);

        proxy.Cut();
        Assert.True(await EndsAsync(server));
        using TcpClient refused = await ConnectAsync(proxy);
        Assert.True(await EndsAsync(refused.Client));
        proxy.Mend();
        using TcpClient again = await ConnectAsync(proxy);
        using Socket serverAgain = await listener.AcceptSocketAsync(TestEnds);
        await serverAgain.SendAsync(new byte[] { 3 }, TestEnds);
        Assert.Equal(1, await again.GetStream().ReadAsync(new byte[1], TestEnds));
    }

    private static async Task<TcpClient> ConnectAsync(ChaosProxy proxy)
    {
        var client = new TcpClient();
        await client.ConnectAsync(IPEndPoint.Parse(proxy.Address), TestEnds);
        return client;
    }

    private static async Task<bool> EndsAsync(Socket socket)
    {
        try
        {
            return await socket.ReceiveAsync(new byte[1], TestEnds) == 0;
        }
        catch (SocketException)
        {
            return true;
        }
    }
}
