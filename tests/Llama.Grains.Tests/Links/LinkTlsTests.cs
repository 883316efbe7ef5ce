using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Llama.Grains.Certificates;
using Llama.Grains.Links;
using Llama.Grains.Tests.Certificates;
using Llama.Tests;

namespace Llama.Grains.Tests.Links;

public sealed class LinkTlsTests : IDisposable
{
    private readonly TestAuthority authority = new();
    private readonly TestAuthority other = new();
    private readonly RecordingLogger logger = new();

    public void Dispose()
    {
        authority.Dispose();
        other.Dispose();
    }

    [Fact]
    public async Task Dial_BothOfTheAuthority_FramesGoBothWaysAndBothHaveShownCertificates()
    {
        await using LinkListener listener = Echo(authority.Certificate("silo-1"));
        await using Stream link = await DialAsync(listener, authority.Certificate("silo-2"));

        byte[] sent = new byte[300_000];
        new Random(3).NextBytes(sent);
        Task sending = link.WriteAsync(sent, Patience.Token).AsTask();
        byte[] back = new byte[sent.Length];
        await link.ReadExactlyAsync(back, Patience.Token).Soon();
        await sending.Soon();

        Assert.Equal(sent, back);
        SslStream secured = Assert.IsType<SslStream>(link);
        Assert.True(secured.IsMutuallyAuthenticated);
        if (OperatingSystem.IsLinux()) Assert.Equal(SslProtocols.Tls13, secured.SslProtocol);
        Assert.Empty(logger.Messages);
    }

    [Fact]
    public async Task Dial_ListenerOfAnotherAuthority_IsNotTrusted()
    {
        await using LinkListener listener = Echo(other.Certificate("silo-1"));

        IOException fault = await FailsAsync(listener, authority.Certificate("silo-2"));

        Assert.StartsWith(
            $"No Steps link to {listener.EndPoint}: its certificate 'CN=silo-1' is not signed", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Accept_DiallerOfAnotherAuthority_IsRefusedAndLogged()
    {
        await using LinkListener listener = Echo(authority.Certificate("silo-1"));

        IOException fault = await FailsAsync(listener, TestAuthority.Unchecked(other.Issue("silo-2"), authority));

        Assert.Contains("It may have refused this process's certificate", fault.Message, StringComparison.Ordinal);
        await SaysAsync("its certificate 'CN=silo-2' is not signed by an authority in ");
    }

    [Fact]
    public async Task Accept_DiallerWhoseCertificateExpired_IsRefusedAndLogged()
    {
        using var old = new TestAuthority();
        string expired = old.Issue("silo-2", new ManualTime());
        await using LinkListener listener = Echo(TestAuthority.Unchecked(authority.Issue("silo-1"), authority, old));

        await FailsAsync(listener, TestAuthority.Unchecked(expired, authority));

        await SaysAsync("its certificate 'CN=silo-2' is valid from 1970-01-01 00:00:00Z to 1972-04-05 01:00:00Z");
    }

    [Fact]
    public async Task Accept_NoCertificate_IsRefusedAndLogged()
    {
        await using LinkListener listener = Echo(authority.Certificate("silo-1"));
        using Socket socket = await ConnectAsync(listener.EndPoint);
        await using var stream = new SslStream(new NetworkStream(socket));
        SslClientAuthenticationOptions options = authority.Certificate("silo-2").ForDialler(checkName: false, _ => { });
        options.ClientCertificateContext = null;

        await stream.AuthenticateAsClientAsync(options, Patience.Token);

        await SaysAsync("it shows no certificate");
        await ClosesAsync(stream);
    }

    [Fact]
    public async Task Dial_WithoutTlsToListenerWithIt_BothSidesSayWhatIsMissing()
    {
        await using LinkListener listener = Echo(authority.Certificate("silo-1"));

        IOException fault = await FailsAsync(listener, null);

        Assert.Contains("It may need TLS: this process was started without --tls", fault.Message, StringComparison.Ordinal);
        await SaysAsync("it may have been started without --tls");
    }

    [Fact]
    public async Task Dial_WithTlsToListenerWithoutIt_BothSidesSayWhatIsMissing()
    {
        await using LinkListener listener = Echo(null);

        IOException fault = await FailsAsync(listener, authority.Certificate("silo-2"));

        Assert.Contains("It may have been started without --tls", fault.Message, StringComparison.Ordinal);
        await SaysAsync("No hello came");
    }

    [Fact]
    public async Task Accept_Garbage_ClosesThatLinkOnly()
    {
        await using LinkListener listener = Echo(authority.Certificate("silo-1"));
        var random = new Random(7);
        byte[][] garbage =
        [
            [22, 3, 1, 255, 255, 1, 2, 3],
            [2, 0, 0, 0, (byte)FrameKind.Hello, (byte)'{', (byte)'}'],
            "GET / HTTP/1.1\r\n\r\n"u8.ToArray(),
            [1],
            .. Enumerable.Range(0, 20).Select(length =>
            {
                byte[] bytes = new byte[5 + (100 * length)];
                random.NextBytes(bytes);
                return bytes;
            }),
        ];
        foreach (byte[] bytes in garbage)
        {
            using Socket socket = await ConnectAsync(listener.EndPoint);
            await using var stream = new NetworkStream(socket);
            await stream.WriteAsync(bytes, Patience.Token);
            socket.Shutdown(SocketShutdown.Send);
            await ClosesAsync(stream);
        }

        await using Stream link = await DialAsync(listener, authority.Certificate("silo-2"));
        await link.WriteAsync(new byte[1], Patience.Token);
        Assert.Equal(1, await link.ReadAsync(new byte[1], Patience.Token).Soon());
    }

    [Fact]
    public async Task Accept_ConnectionThatClosesAtOnce_IsNoWarning()
    {
        // So ask those who only want to know whether somebody listens.
        await using LinkListener listener = Echo(authority.Certificate("silo-1"));
        using (Socket asking = await ConnectAsync(listener.EndPoint)) asking.Shutdown(SocketShutdown.Send);

        await using Stream link = await DialAsync(listener, authority.Certificate("silo-2"));

        Assert.Empty(logger.Messages);
    }

    [Fact]
    public async Task DialAndAccept_OtherSideIsSilent_EndAtTheDeadlineOfTheHandshake()
    {
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        silent.Listen(1);
        await using LinkListener listener = Echo(authority.Certificate("silo-1"));
        long start = Stopwatch.GetTimestamp();

        Task<Stream> dialling = DialAsync((IPEndPoint)silent.LocalEndPoint!, authority.Certificate("silo-2"));
        using Socket idle = await ConnectAsync(listener.EndPoint);
        await using var half = new NetworkStream(idle);
        await half.WriteAsync(new byte[] { 22, 3, 1 }, Patience.Token);
        await ClosesAsync(half);

        IOException fault = await Assert.ThrowsAsync<IOException>(() => dialling);
        Assert.EndsWith("within 5 s.", fault.Message, StringComparison.Ordinal);
        Assert.InRange(Stopwatch.GetElapsedTime(start), Handshake.Deadline - TimeSpan.FromSeconds(1), Patience.Limit);
    }

    /// <summary>A listener whose links send back what they get.</summary>
    private LinkListener Echo(ProcessCertificate? certificate) => LinkListener.Start(
        "127.0.0.1", 0, LinkPair.Identity("silo-1", certificate: certificate), async (stream, _, cancellationToken) =>
        {
            await Handshake.AcceptAsync(stream, cancellationToken);
            await stream.CopyToAsync(stream, cancellationToken);
        }, logger);

    private static Task<Stream> DialAsync(LinkListener listener, ProcessCertificate? certificate) =>
        DialAsync(listener.EndPoint, certificate);

    private static Task<Stream> DialAsync(IPEndPoint address, ProcessCertificate? certificate) => Dialler.DialAsync(
        $"{address}", LinkPair.Identity("silo-2", certificate: certificate), new LinkTarget(LinkPurpose.Steps),
        Patience.Token).Soon();

    private static Task<IOException> FailsAsync(LinkListener listener, ProcessCertificate? certificate) =>
        Assert.ThrowsAsync<IOException>(() => DialAsync(listener, certificate));

    private static async Task<Socket> ConnectAsync(IPEndPoint address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(address, Patience.Token);
        return socket;
    }

    private Task SaysAsync(string text) => Patience.UntilAsync(
        () => logger.Messages.Any(message =>
            message.StartsWith("Warning: A link was closed", StringComparison.Ordinal) && message.Contains(text, StringComparison.Ordinal)),
        () => $"'{text}' was not logged, but: {string.Join('\n', logger.Messages)}");

    private static async Task ClosesAsync(Stream link)
    {
        try
        {
            while (await link.ReadAsync(new byte[1000], Patience.Token).Soon() > 0)
            {
            }
        }
        catch (IOException)
        {
            // Reset is closed, too.
        }
    }
}
