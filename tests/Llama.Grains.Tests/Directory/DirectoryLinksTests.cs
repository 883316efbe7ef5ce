using Llama.Grains.Directory;
using Llama.Grains.Links;
using Llama.Grains.Tests.Links;
using Llama.Tests;

namespace Llama.Grains.Tests.Directory;

public sealed class DirectoryLinksTests : IDisposable
{
    private readonly ManualTime time = new();
    private readonly EmbeddedDirectory directory;
    private readonly RecordingLogger logger = new();

    public DirectoryLinksTests() => directory = new EmbeddedDirectory(time);

    public void Dispose() => directory.Dispose();

    [Fact]
    public async Task JoinAsync_UntilCancelled_IsAMemberAndThenIsNot()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        using var leaving = new CancellationTokenSource();
        Task serving = ServeAsync(link);
        var joined = new TaskCompletionSource();
        Member member = Members.Make("silo-1");
        Task joining = DirectoryLinks.JoinAsync(
            link.Dialler, LinkPair.Identity("silo-1"), member, joined.SetResult, time, leaving.Token);
        await joined.Task.Soon();
        Assert.Equal(member, Assert.Single(directory.View.Members));

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => joining.Soon());
        link.Dialler.Dispose();
        await serving.Soon();
        Assert.Empty(directory.View.Members);
    }

    [Fact]
    public async Task JoinAsync_HeartbeatsGoOn_KeepTheLease()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        var heard = new HeartbeatCounter(directory);
        Task serving = DirectoryLinks.ServeAsync(link.Listener, LinkPair.Identity("gateway"), heard, logger, Patience.Token);
        await GreetAsync(link, Members.Make("silo-1"));
        for (int second = 1; second <= 10; second++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Frames.SendAsync(link.Dialler, FrameKind.Heartbeat, ReadOnlyMemory<byte>.Empty, Patience.Token);
            int expected = second;
            await Patience.UntilAsync(() => heard.Count == expected, () => $"{heard.Count} heartbeats");
            (FrameKind answer, _) = await Frames.ReadAsync(link.Dialler, 0, Patience.Token).Soon();
            Assert.Equal(FrameKind.Heartbeat, answer);
        }

        Assert.Single(directory.View.Members);
        Assert.False(serving.IsCompleted);
    }

    [Fact]
    public async Task ServeAsync_LeaseExpiredMeanwhile_ClosesTheLinkAtTheNextHeartbeat()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task serving = ServeAsync(link);
        await GreetAsync(link, Members.Make("silo-1"));
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.Empty(directory.View.Members);
        await Frames.SendAsync(link.Dialler, FrameKind.Heartbeat, ReadOnlyMemory<byte>.Empty, Patience.Token);
        await serving.Soon();
    }

    [Fact]
    public async Task JoinAsync_NameOfAMember_IsRefusedWithTheReason()
    {
        using ILease lease = directory.Join(Members.Make("silo-1", "10.0.0.1:4000"));
        string reason = await RefusalAsync(Members.Make("silo-1"), LinkPair.Identity("silo-1"));
        Assert.Contains("A silo named 'silo-1' is a member already", reason, StringComparison.Ordinal);
        Assert.Contains("10.0.0.1:4000", reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task JoinAsync_MemberThatCannotBe_IsRefusedWithTheReason()
    {
        string reason = await RefusalAsync(Members.Make("silo-1") with { Address = "nowhere" }, LinkPair.Identity("silo-1"));
        Assert.Contains("'nowhere'; expected host:port", reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task JoinAsync_AnotherModel_IsRefusedWithTheReason()
    {
        string reason = await RefusalAsync(Members.Make("silo-1"), LinkPair.Identity("silo-1", fingerprint: "beef"));
        Assert.Contains("fingerprint beef", reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task JoinAsync_GatewayClosesTheLink_ThrowsIOException()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        using var stopping = new CancellationTokenSource();
        Task serving = DirectoryLinks.ServeAsync(link.Listener, LinkPair.Identity("gateway"), directory, logger, stopping.Token);
        var joined = new TaskCompletionSource();
        Task joining = DirectoryLinks.JoinAsync(
            link.Dialler, LinkPair.Identity("silo-1"), Members.Make("silo-1"), joined.SetResult, time, Patience.Token);
        await joined.Task.Soon();
        await stopping.CancelAsync();
        await serving.Soon();
        Assert.Empty(directory.View.Members);
        link.Listener.Dispose();
        await Assert.ThrowsAsync<IOException>(() => joining.Soon());
    }

    [Fact]
    public async Task JoinAsync_GatewayThatIsSilentForTenSeconds_ThrowsIOException()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        var joined = new TaskCompletionSource();
        Task joining = DirectoryLinks.JoinAsync(
            link.Dialler, LinkPair.Identity("silo-1"), Members.Make("silo-1"), joined.SetResult, time, Patience.Token);
        await Handshake.AnswerAsync(link.Listener, LinkPair.Identity("gateway"), Patience.Token).Soon();
        await Handshake.AcceptAsync(link.Listener, Patience.Token);
        await Frames.ReadJsonAsync<Member>(link.Listener, FrameKind.Join, Patience.Token).Soon();
        await Handshake.AcceptAsync(link.Listener, Patience.Token);

        // Its link is open, and takes heartbeats.
        await joined.Task.Soon();
        await Frames.ReadAsync(link.Listener, 0, Patience.Token).Soon();
        await Patience.UntilAsync(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(1));
                return joining.IsCompleted;
            },
            () => "It is a member still.");
        IOException fault = await Assert.ThrowsAnyAsync<IOException>(() => joining.Soon());
        Assert.Equal("The gateway has been silent for 10 s.", fault.Message);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("""{"name":null,"address":"a:1","processId":1,"instance":"i","threads":1,"rates":{"bytesPerSecond":1e9,"operationsPerSecond":1e9},"memoryBytes":1,"profile":"p","lastEpoch":0}""")]
    [InlineData("""{"name":"a","address":"a:1","processId":1,"instance":"i","threads":1,"rates":null,"memoryBytes":1,"profile":"p","lastEpoch":0}""")]
    [InlineData("""{"name":"a","address":"a:1","processId":1,"instance":"i","threads":1,"rates":{},"memoryBytes":1,"profile":"p","lastEpoch":0}""")]
    public async Task ServeAsync_GarbageInsteadOfAMember_EndsTheLinkOnly(string json)
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task serving = ServeAsync(link);
        await Handshake.DialAsync(link.Dialler, LinkPair.Identity("silo-1"), new LinkTarget(LinkPurpose.Join), Patience.Token).Soon();
        await Frames.SendAsync(link.Dialler, FrameKind.Join, System.Text.Encoding.UTF8.GetBytes(json), Patience.Token);
        await serving.Soon();
        Assert.Empty(directory.View.Members);
        Assert.Contains(logger.Messages, message => message.Contains("refused", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ServeAsync_GarbageInsteadOfAHeartbeat_EndsTheMembership()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task serving = ServeAsync(link);
        await GreetAsync(link, Members.Make("silo-1"));
        await Frames.SendAsync(link.Dialler, FrameKind.Step, new byte[100], Patience.Token);
        await serving.Soon();
        Assert.Empty(directory.View.Members);
    }

    [Fact]
    public async Task ServeAsync_LinkThatEndsBeforeTheGreeting_EndsQuietly()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task serving = ServeAsync(link);
        link.Dialler.Dispose();
        await serving.Soon();
        Assert.Empty(logger.Messages);
    }

    private Task ServeAsync(LinkPair link) =>
        DirectoryLinks.ServeAsync(link.Listener, LinkPair.Identity("gateway"), directory, logger, Patience.Token);

    /// <summary>Joins by hand, without heartbeats.</summary>
    private async Task GreetAsync(LinkPair link, Member member)
    {
        await Handshake.DialAsync(link.Dialler, LinkPair.Identity(member.Name), new LinkTarget(LinkPurpose.Join), Patience.Token).Soon();
        await Frames.SendJsonAsync(link.Dialler, FrameKind.Join, member, Patience.Token);
        (FrameKind kind, _) = await Frames.ReadAsync(link.Dialler, 1000, Patience.Token).Soon();
        Assert.Equal(FrameKind.Accepted, kind);
        Assert.Equal(member, Assert.Single(directory.View.Members));
    }

    private async Task<string> RefusalAsync(Member member, LinkIdentity self)
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task serving = ServeAsync(link);
        LinkException fault = await Assert.ThrowsAsync<LinkException>(
            () => DirectoryLinks.JoinAsync(link.Dialler, self, member, () => Assert.Fail("It has joined."), time, Patience.Token).Soon());
        await serving.Soon();
        Assert.Contains(logger.Messages, message => message.Contains(fault.Message, StringComparison.Ordinal));
        return fault.Message;
    }

    /// <summary>Counts the renewals of one lease.</summary>
    private sealed class HeartbeatCounter(IDirectory directory) : IDirectory, ILease
    {
        private ILease? lease;
        private int count;

        public int Count => Volatile.Read(ref count);

        public DirectoryView View => directory.View;

        public long Id => lease!.Id;

        public Task<DirectoryView> WaitForChangeAsync(long version, CancellationToken cancellationToken) =>
            directory.WaitForChangeAsync(version, cancellationToken);

        public ILease Grant()
        {
            lease = directory.Grant();
            return this;
        }

        public bool TryPut(string key, string value, long revision, long mine, out DirectoryEntry? present) =>
            directory.TryPut(key, value, revision, lease!.Id, out present);

        public bool Renew()
        {
            bool renewed = lease!.Renew();
            Interlocked.Increment(ref count);
            return renewed;
        }

        public void Dispose() => lease!.Dispose();
    }
}
