using System.Net.Sockets;
using Llama.Grains.Links;
using Llama.Tests;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Links;

public sealed class AcceptorTests : IDisposable
{
    private const int NoneIsKept = 0;
    private const int MoreThanThereAre = int.MaxValue;

    private readonly ManualTime time = new();
    private readonly Queue<Func<Socket?>> next = new();

    public void Dispose()
    {
        while (next.TryDequeue(out Func<Socket?>? left)) Assert.Fail($"{left} was not asked for.");
    }

    public static TheoryData<Exception> Faults =>
    [
        new SocketException((int)SocketError.TooManyOpenSockets), new SocketException((int)SocketError.NoBufferSpaceAvailable),
        new InsufficientMemoryException(), new InvalidOperationException("whatever"),
    ];

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Accept_SystemRefuses_GoesOnAfterAPause(Exception fault)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        next.Enqueue(() => throw fault);
        next.Enqueue(() => socket);
        Task<Socket?> accepted = Acceptor(NoneIsKept).AcceptAsync(Patience.Token).AsTask();
        Assert.False(accepted.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Same(socket, await accepted.Soon());
    }

    [Fact]
    public async Task Accept_TooFewDescriptorsAreLeft_ClosesTheConnectionAndWaitsForTheNext()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "has no limit of descriptors");
        using var refused = new Socket(SocketType.Stream, ProtocolType.Tcp);
        next.Enqueue(() => refused);
        next.Enqueue(() => null);
        Assert.Null(await Acceptor(MoreThanThereAre).AcceptAsync(Patience.Token).AsTask().Soon());
        Assert.True(refused.SafeHandle.IsClosed);
    }

    public static TheoryData<Exception> Ends =>
    [
        new SocketException((int)SocketError.OperationAborted), new ObjectDisposedException("socket"), new OperationCanceledException(),
    ];

    [Theory]
    [MemberData(nameof(Ends))]
    public async Task Accept_NobodyListensAnyMore_IsNull(Exception end)
    {
        next.Enqueue(() => throw end);
        Assert.Null(await Acceptor(NoneIsKept).AcceptAsync(Patience.Token).AsTask().Soon());
    }

    private Acceptor<Socket> Acceptor(int kept) =>
        new(_ => ValueTask.FromResult(next.Dequeue()()), socket => socket, kept, time, NullLogger.Instance);
}
