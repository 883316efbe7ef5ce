using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Llama.Grains.Certificates;
using Llama.Grains.Hosting;
using Llama.Grains.Tests.Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Hosting;

public sealed class ClusterPortTests : IDisposable
{
    private static readonly byte[] Key = "a key of a cluster"u8.ToArray();
    private readonly TestAuthority authority = new();

    public void Dispose() => authority.Dispose();

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public async Task Connect_RightKeyAndCertificate_BytesPassBothWays(bool key, bool tls)
    {
        var security = new PeerSecurity(key ? Key : default, tls ? authority.Certificate("node") : null);
        await using var port = new TestPort(security);

        await using ConnectionContext dialled = await Dialler(security).ConnectAsync(port.EndPoint, Patience.Token).Soon();
        await using ConnectionContext accepted = await port.NextAsync();
        byte[] sent = RandomNumberGenerator.GetBytes(3_000_000);

        Assert.Equal(sent, await PassAsync(dialled, accepted, sent));
        Assert.Equal(sent, await PassAsync(accepted, dialled, sent));
        Assert.Equal(0, port.Refusals);
    }

    [Fact]
    public async Task Connect_Stranger_IsClosedInTimeHearsNothingAndMembersAreLetIn()
    {
        string[] openings = ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", new string('\0', 64), "l", "llamaor", ""];
        await Task.WhenAll(openings.SelectMany(opening => (Task[])[RefuseAsync(opening, tls: false), RefuseAsync(opening, tls: true)]));

        async Task RefuseAsync(string opening, bool tls)
        {
            var security = new PeerSecurity(Key, tls ? authority.Certificate("node") : null);
            await using var port = new TestPort(security);
            using Socket stranger = await ConnectAsync(port.EndPoint);
            await stranger.SendAsync(Encoding.ASCII.GetBytes(opening), Patience.Token);
            long start = Stopwatch.GetTimestamp();

            byte[] heard = await ReadToEndAsync(stranger);

            bool maySend = "llamaorl".StartsWith(opening, StringComparison.Ordinal);
            TimeSpan limit = TimeSpan.FromSeconds(2) + (maySend ? PeerSecurity.Deadline : TimeSpan.Zero);
            Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, limit);
            Assert.True(heard is [] || (tls && heard is [21, 3, ..]), Convert.ToHexString(heard));
            await Patience.UntilAsync(() => port.Refusals == 1, () => $"nobody was told of {opening}");
            await using ConnectionContext member = await Dialler(security).ConnectAsync(port.EndPoint, Patience.Token).Soon();
        }
    }

    [Fact]
    public async Task Connect_ProofIsGarbage_IsRefused()
    {
        await using var port = new TestPort(new PeerSecurity(Key, null));
        using Socket stranger = await ConnectAsync(port.EndPoint);

        await stranger.SendAsync((byte[])[.. "llamaorl"u8, 1, 1, .. new byte[32]], Patience.Token);
        byte[] challenge = new byte[73];
        await stranger.ReceiveAsync(challenge, SocketFlags.None, Patience.Token);
        await stranger.SendAsync(new byte[32], Patience.Token);

        Assert.Empty(await ReadToEndAsync(stranger));
        await Patience.UntilAsync(() => port.Refusals == 1, () => "nobody was told");
    }

    [Fact]
    public async Task Connect_ProofOfAnotherConnection_IsRefused()
    {
        // The listener's proof of one connection, sent back as the dialler's, and a dialler's proof sent a second time.
        var security = new PeerSecurity(Key, null);
        await using var port = new TestPort(security);
        byte[] hello = [.. "llamaorl"u8, 1, 1, .. new byte[32]];
        using (Socket reflecting = await ConnectAsync(port.EndPoint))
        {
            await reflecting.SendAsync(hello, Patience.Token);
            byte[] challenge = new byte[73];
            await reflecting.ReceiveAsync(challenge, SocketFlags.None, Patience.Token);
            await reflecting.SendAsync(challenge.AsMemory(41), Patience.Token);
            Assert.Empty(await ReadToEndAsync(reflecting));
        }

        using var relay = new Relay(port.EndPoint);
        await using (await Dialler(security).ConnectAsync(relay.EndPoint, Patience.Token).Soon())
        {
            await (await port.NextAsync()).DisposeAsync();
        }

        byte[] recorded = relay.FromDialler;
        Assert.Equal(42 + 32, recorded.Length);
        using Socket replaying = await ConnectAsync(port.EndPoint);
        await replaying.SendAsync(recorded, Patience.Token);
        Assert.Equal(73, (await ReadToEndAsync(replaying)).Length);
        Assert.Equal(1, port.Accepted);
    }

    [Theory]
    [InlineData("another key of a cluster")]
    [InlineData("")]
    public async Task Connect_OtherKey_BothSidesRefuse(string other)
    {
        await using var port = new TestPort(new PeerSecurity(Key, null));
        var dialler = Dialler(new PeerSecurity(Encoding.ASCII.GetBytes(other), null));

        PeerRefusedException e = await Assert.ThrowsAsync<PeerRefusedException>(
            () => dialler.ConnectAsync(port.EndPoint, Patience.Token).AsTask()).Soon();

        Assert.Contains("key", e.Message, StringComparison.Ordinal);
        await Patience.UntilAsync(() => port.Refusals == 1, () => "nobody was told");
        Assert.Equal(0, port.Accepted);
    }

    [Fact]
    public async Task Connect_OtherPurpose_IsRefused()
    {
        var security = new PeerSecurity(Key, null);
        await using var port = new TestPort(security);

        await Assert.ThrowsAnyAsync<IOException>(
            () => Dialler(security, PeerPurpose.Client).ConnectAsync(port.EndPoint, Patience.Token).AsTask()).Soon();

        Assert.Equal(0, port.Accepted);
        await Patience.UntilAsync(() => port.Refusals == 1, () => "nobody was told");
    }

    [Fact]
    public async Task Connect_TlsOnOneSideOnly_IsRefused()
    {
        ProcessCertificate certificate = authority.Certificate("node");
        var plain = new PeerSecurity(Key, null);
        var secured = new PeerSecurity(Key, certificate);
        await using var plainPort = new TestPort(plain);
        await using var securedPort = new TestPort(secured);

        await Assert.ThrowsAnyAsync<IOException>(() => Dialler(secured).ConnectAsync(plainPort.EndPoint, Patience.Token).AsTask()).Soon();
        await Assert.ThrowsAnyAsync<IOException>(() => Dialler(plain).ConnectAsync(securedPort.EndPoint, Patience.Token).AsTask()).Soon();

        await Patience.UntilAsync(() => plainPort.Refusals + securedPort.Refusals == 2, () => "nobody was told");
        Assert.Equal(0, plainPort.Accepted + securedPort.Accepted);
    }

    [Fact]
    public async Task Connect_WrongOrNoCertificate_IsRefused()
    {
        using var foreign = new TestAuthority();
        await using var port = new TestPort(new PeerSecurity(Key, authority.Certificate("node")));

        // Has a certificate of another authority, and would accept this one's.
        var stranger = new PeerSecurity(Key, TestAuthority.Unchecked(foreign.Issue("node"), foreign, authority));
        await Assert.ThrowsAnyAsync<IOException>(() => Dialler(stranger).ConnectAsync(port.EndPoint, Patience.Token).AsTask()).Soon();

        // Shows none.
        using Socket socket = await ConnectAsync(port.EndPoint);
        await using var tls = new SslStream(new NetworkStream(socket));
        SslClientAuthenticationOptions options = authority.Certificate("node").ForDialler(checkName: false, _ => { });
        options.ClientCertificateContext = null;
        await Assert.ThrowsAnyAsync<IOException>(async () =>
        {
            await tls.AuthenticateAsClientAsync(options, Patience.Token);
            await PeerProof.DialAsync(tls, Key, PeerPurpose.Silo, Patience.Token);
            await tls.ReadExactlyAsync(new byte[1], Patience.Token);
        }).Soon();

        Assert.Equal(0, port.Accepted);
    }

    [Fact]
    public async Task Dial_ListenerIsAStranger_Fails()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Task<Socket> accepting = listener.AcceptSocketAsync(Patience.Token).AsTask();
        Task<ConnectionContext> dialling = Dialler(new PeerSecurity(Key, null)).ConnectAsync(listener.LocalEndpoint, Patience.Token).AsTask();
        using Socket accepted = await accepting.Soon();
        await accepted.SendAsync("220 mail.example.org ready\r\n"u8.ToArray(), Patience.Token);

        await Assert.ThrowsAsync<PeerRefusedException>(() => dialling).Soon();
    }

    [Fact]
    public async Task Dial_ListenerIsSilent_FailsInTime()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        long start = Stopwatch.GetTimestamp();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Dialler(new PeerSecurity(Key, null)).ConnectAsync(listener.LocalEndpoint, Patience.Token).AsTask()).Soon();

        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, PeerSecurity.Deadline + TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task Connect_ManySilentOnesOfOneAddress_OthersAreLetIn()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs a second loopback address");
        var security = new PeerSecurity(Key, null);
        await using var port = new TestPort(security);
        List<Socket> silent = [];
        for (int i = 0; i < ClusterPort.MaxHandshakesPerAddress; i++) silent.Add(await ConnectAsync(port.EndPoint, "127.0.0.2"));

        using Socket further = await ConnectAsync(port.EndPoint, "127.0.0.2");
        Assert.Empty(await ReadToEndAsync(further).WaitAsync(TimeSpan.FromSeconds(2), Patience.Token));
        await using ConnectionContext member = await Dialler(security).ConnectAsync(port.EndPoint, Patience.Token).Soon();
        await (await port.NextAsync()).DisposeAsync();

        foreach (Socket one in silent) one.Dispose();
    }

    [Fact]
    public async Task Connect_SendsWithoutEndBeforeTheProof_IsCutOffAfterABoundedNumberOfBytes()
    {
        await using var port = new TestPort(new PeerSecurity(Key, null));
        using Socket stranger = await ConnectAsync(port.EndPoint);
        stranger.SendBufferSize = 1 << 16;
        await stranger.SendAsync((byte[])[.. "llamaorl"u8, 1, 1, .. new byte[32]], Patience.Token);
        long sent = 0;

        await Assert.ThrowsAsync<SocketException>(async () =>
        {
            while (true) sent += await stranger.SendAsync(new byte[1 << 16], Patience.Token);
        }).Soon();

        // What the operating system holds for a socket, and not what a process would take in five seconds.
        Assert.InRange(sent, 0, 32 << 20);
    }

    [Fact]
    public async Task Attach_AnotherIncarnation_GetsTheConnectionsAndBetweenThemTheyAreClosed()
    {
        var security = new PeerSecurity(Key, null);
        await using ClusterPort port = Open(security, new RecordingLogger());
        ClusterDialler dialler = Dialler(security);
        await Assert.ThrowsAnyAsync<IOException>(() => dialler.ConnectAsync(port.EndPoint, Patience.Token).AsTask())
            .WaitAsync(TimeSpan.FromSeconds(2), Patience.Token);

        IConnectionListener first = port.Attach();
        await using ConnectionContext one = await dialler.ConnectAsync(port.EndPoint, Patience.Token).Soon();
        await using ConnectionContext? acceptedOne = await first.AcceptAsync(Patience.Token).Soon();
        await first.UnbindAsync(Patience.Token);
        await Assert.ThrowsAnyAsync<IOException>(() => dialler.ConnectAsync(port.EndPoint, Patience.Token).AsTask())
            .WaitAsync(TimeSpan.FromSeconds(2), Patience.Token);
        Assert.Null(await first.AcceptAsync(Patience.Token).Soon());

        IConnectionListener second = port.Attach();
        IConnectionListener third = port.Attach();
        await first.DisposeAsync();
        await using ConnectionContext two = await dialler.ConnectAsync(port.EndPoint, Patience.Token).Soon();
        await using ConnectionContext? acceptedTwo = await third.AcceptAsync(Patience.Token).Soon();

        Assert.NotNull(acceptedOne);
        Assert.NotNull(acceptedTwo);
        Assert.Null(await second.AcceptAsync(Patience.Token).Soon());
    }

    [Fact]
    public async Task Abort_ConnectionClosedFiresAndTheOtherSideSeesTheEnd()
    {
        var security = new PeerSecurity(Key, null);
        await using var port = new TestPort(security);
        await using ConnectionContext dialled = await Dialler(security).ConnectAsync(port.EndPoint, Patience.Token).Soon();
        await using ConnectionContext accepted = await port.NextAsync();
        var closed = new TaskCompletionSource();
        await using CancellationTokenRegistration registration = dialled.ConnectionClosed.Register(closed.SetResult);

        dialled.Abort();

        await closed.Task.Soon();
        ReadResult end = await accepted.Transport.Input.ReadAsync(Patience.Token).Soon();
        Assert.True(end.IsCompleted);
    }

    private static ClusterPort Open(PeerSecurity security, RecordingLogger refusals) => ClusterPort.Open(
        new IPEndPoint(IPAddress.Loopback, 0), PeerPurpose.Silo, security, new RefusalLog(refusals, TimeProvider.System), NullLogger.Instance);

    private static ClusterDialler Dialler(PeerSecurity security, PeerPurpose purpose = PeerPurpose.Silo) =>
        new(security, purpose, new RefusalLog(NullLogger.Instance, TimeProvider.System));

    private static async Task<Socket> ConnectAsync(EndPoint endPoint, string from = "127.0.0.1")
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Parse(from), 0));
        await socket.ConnectAsync(endPoint, Patience.Token);
        return socket;
    }

    /// <summary>All that comes until the other side closes the connection.</summary>
    private static async Task<byte[]> ReadToEndAsync(Socket socket)
    {
        var all = new MemoryStream();
        byte[] buffer = new byte[4096];
        try
        {
            for (int count = 1; count > 0;)
            {
                count = await socket.ReceiveAsync(buffer, SocketFlags.None, Patience.Token).Soon();
                all.Write(buffer, 0, count);
            }
        }
        catch (SocketException)
        {
            // Closed with bytes unread.
        }

        return all.ToArray();
    }

    private static async Task<byte[]> PassAsync(ConnectionContext from, ConnectionContext to, byte[] bytes)
    {
        Task<FlushResult> writing = from.Transport.Output.WriteAsync(bytes, Patience.Token).AsTask();
        ReadResult read = await to.Transport.Input.ReadAtLeastAsync(bytes.Length, Patience.Token).Soon();
        byte[] received = read.Buffer.ToArray();
        to.Transport.Input.AdvanceTo(read.Buffer.End);
        await writing.Soon();
        return received;
    }

    /// <summary>A port with an incarnation that accepts.</summary>
    private sealed class TestPort : IAsyncDisposable
    {
        private readonly RecordingLogger refusals = new();
        private readonly ConcurrentQueue<ConnectionContext> accepted = new();
        private readonly SemaphoreSlim available = new(0);
        private readonly ClusterPort port;
        private readonly Task accepting;

        public TestPort(PeerSecurity security)
        {
            port = Open(security, refusals);
            accepting = AcceptAsync(port.Attach());
        }

        public IPEndPoint EndPoint => port.EndPoint;

        public int Refusals => refusals.Messages.Count;

        public int Accepted { get; private set; }

        public async Task<ConnectionContext> NextAsync()
        {
            await available.WaitAsync(Patience.Token).Soon();
            return accepted.TryDequeue(out ConnectionContext? next) ? next : throw new InvalidOperationException();
        }

        public async ValueTask DisposeAsync()
        {
            await port.DisposeAsync().Soon();
            await accepting.Soon();
            foreach (ConnectionContext left in accepted) await left.DisposeAsync();
            available.Dispose();
        }

        private async Task AcceptAsync(IConnectionListener listener)
        {
            while (await listener.AcceptAsync(CancellationToken.None) is { } next)
            {
                Accepted++;
                accepted.Enqueue(next);
                available.Release();
            }
        }
    }

    /// <summary>Stands between a dialler and a port and records what the dialler sends.</summary>
    private sealed class Relay : IDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);
        private readonly MemoryStream recorded = new();
        private readonly Task relaying;

        public Relay(IPEndPoint target)
        {
            listener.Start();
            relaying = RelayAsync(target);
        }

        public EndPoint EndPoint => listener.LocalEndpoint;

        public byte[] FromDialler
        {
            get
            {
                relaying.Wait(Patience.Limit);
                return recorded.ToArray();
            }
        }

        public void Dispose() => listener.Dispose();

        private async Task RelayAsync(IPEndPoint target)
        {
            using Socket dialler = await listener.AcceptSocketAsync();
            using Socket port = await ConnectAsync(target);
            await Task.WhenAll(CopyAsync(dialler, port, recorded), CopyAsync(port, dialler, Stream.Null));
        }

        private static async Task CopyAsync(Socket from, Socket to, Stream copy)
        {
            byte[] buffer = new byte[4096];
            try
            {
                while (await from.ReceiveAsync(buffer, SocketFlags.None) is var count and > 0)
                {
                    copy.Write(buffer, 0, count);
                    await to.SendAsync(buffer.AsMemory(0, count));
                }

                to.Shutdown(SocketShutdown.Send);
            }
            catch (SocketException)
            {
                // One of the two has closed.
            }
        }
    }
}
