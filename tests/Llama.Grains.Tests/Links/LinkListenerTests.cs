using System.Net.Sockets;
using Llama.Grains.Links;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Links;

public sealed class LinkListenerTests
{
    private static readonly LinkIdentity Self = LinkPair.Identity("silo-1");

    [Fact]
    public async Task Start_LinkAfterLink_ServesEachForWhatItIsFor()
    {
        await using LinkListener listener = Echo();
        for (ulong epoch = 1; epoch <= 3; epoch++)
        {
            await using Stream link = await DialAsync(listener, epoch);
            Assert.Equal(epoch, await EchoAsync(link));
        }
    }

    [Fact]
    public async Task Serve_Garbage_ClosesThatLinkOnlyAndTheNextWorks()
    {
        await using LinkListener listener = Echo();
        await using Stream before = await DialAsync(listener, 1);
        var random = new Random(5);
        byte[][] garbage =
        [
            "GET / HTTP/1.1\r\n\r\n"u8.ToArray(),
            [0, 0, 0, 0, (byte)FrameKind.Hello],
            [255, 255, 255, 255, (byte)FrameKind.Hello],
            [2, 0, 0, 0, (byte)FrameKind.Hello, (byte)'{', (byte)'}'],
            [0, 0, 0, 0, (byte)FrameKind.Step],
            .. Enumerable.Range(0, 20).Select(_ =>
            {
                byte[] bytes = new byte[5000];
                random.NextBytes(bytes);
                return bytes;
            }),
        ];
        foreach (byte[] bytes in garbage)
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(listener.EndPoint, Patience.Token);
            await using var stream = new NetworkStream(socket);
            await stream.WriteAsync(bytes, Patience.Token);
            socket.Shutdown(SocketShutdown.Send);
            await ReadToEndAsync(stream).Soon();
        }

        await using Stream after = await DialAsync(listener, 2);
        Assert.Equal(2ul, await EchoAsync(after));
        Assert.Equal(1ul, await EchoAsync(before));
    }

    [Fact]
    public async Task Serve_ThrowsAnything_ClosesThatLinkOnly()
    {
        int served = 0;
        await using LinkListener listener = LinkListener.Start("127.0.0.1", 0, Self, async (stream, target, cancellationToken) =>
        {
            await Handshake.AcceptAsync(stream, cancellationToken);
            if (Interlocked.Increment(ref served) == 1) throw new InvalidOperationException("a bug");
            await Frames.SendAsync(stream, FrameKind.HeartbeatAnswer, ReadOnlyMemory<byte>.Empty, cancellationToken);
        }, NullLogger.Instance);
        await using Stream broken = await DialAsync(listener, 1);
        Assert.Equal(0, await broken.ReadAsync(new byte[1], Patience.Token).Soon());
        await using Stream working = await DialAsync(listener, 1);
        Assert.Equal(FrameKind.HeartbeatAnswer, (await Frames.ReadAsync(working, 0, Patience.Token).Soon()).Kind);
    }

    [Fact]
    public async Task Serve_ManyLinksThatNeverGreet_LeaveRoomOnceTheyAreGone()
    {
        await using LinkListener listener = Echo();
        var idle = new List<Socket>();
        for (int i = 0; i < 300; i++)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(listener.EndPoint, Patience.Token);
            idle.Add(socket);
        }

        foreach (Socket socket in idle) socket.Dispose();
        await using Stream link = await DialAsync(listener, 9);
        Assert.Equal(9ul, await EchoAsync(link));
    }

    [Fact]
    public async Task DisposeAsync_WithOpenLinks_EndsThem()
    {
        LinkListener listener = Echo();
        await using Stream greeted = await DialAsync(listener, 1);
        using var idle = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await idle.ConnectAsync(listener.EndPoint, Patience.Token);
        await listener.DisposeAsync().Soon();
        await ReadToEndAsync(greeted).Soon();
        await ReadToEndAsync(new NetworkStream(idle)).Soon();
        await Assert.ThrowsAsync<IOException>(() => DialAsync(listener, 1));
    }

    [Fact]
    public async Task Start_PortTaken_ThrowsIOExceptionThatNamesIt()
    {
        await using LinkListener listener = Echo();
        int port = listener.EndPoint.Port;
        IOException fault = Assert.Throws<IOException>(() =>
        {
            LinkListener.Start("127.0.0.1", port, Self, (_, _, _) => Task.CompletedTask, NullLogger.Instance);
        });
        Assert.Contains($"127.0.0.1:{port}", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Start_NoSuchHost_ThrowsIOExceptionThatNamesIt()
    {
        IOException fault = Assert.Throws<IOException>(() =>
        {
            LinkListener.Start("no-such-host.invalid", 0, Self, (_, _, _) => Task.CompletedTask, NullLogger.Instance);
        });
        Assert.Contains("no-such-host.invalid", fault.Message, StringComparison.Ordinal);
    }

    /// <summary>A listener whose links answer every byte with their epoch.</summary>
    private static LinkListener Echo() => LinkListener.Start("127.0.0.1", 0, Self, async (stream, target, cancellationToken) =>
    {
        await Handshake.AcceptAsync(stream, cancellationToken);
        byte[] buffer = new byte[1];
        while (await stream.ReadAsync(buffer, cancellationToken) > 0)
            await stream.WriteAsync(BitConverter.GetBytes(target.Ticket!.Value.Epoch), cancellationToken);
    }, NullLogger.Instance);

    private static Task<Stream> DialAsync(LinkListener listener, ulong epoch) =>
        Dialler.DialAsync(
            listener.EndPoint.ToString(), LinkPair.Identity("silo-2"), new LinkTarget(LinkPurpose.Steps, new LinkTicket(epoch, default)), Patience.Token).Soon();

    private static async Task<ulong> EchoAsync(Stream link)
    {
        await link.WriteAsync(new byte[1], Patience.Token);
        byte[] epoch = new byte[8];
        await link.ReadExactlyAsync(epoch, Patience.Token).Soon();
        return BitConverter.ToUInt64(epoch);
    }

    /// <summary>Reads until the other side has closed, by whichever way a connection can be closed.</summary>
    private static async Task ReadToEndAsync(Stream link)
    {
        try
        {
            while (await link.ReadAsync(new byte[1000], Patience.Token) > 0)
            {
            }
        }
        catch (IOException)
        {
            // Reset is closed, too.
        }
    }
}
