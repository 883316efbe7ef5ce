using System.Text;
using Llama.Grains.Links;
using Llama.Model.Weights;

namespace Llama.Grains.Tests.Links;

public sealed class HandshakeTests
{
    private static readonly LinkTarget Target = new(LinkPurpose.Steps, new LinkTicket(7, Guid.NewGuid()));

    [Theory]
    [InlineData("secret")]
    [InlineData("")]
    public async Task DialAsync_SameClusterAndModel_BothSidesKnowEachOther(string key)
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task<LinkPeer> dialling = Handshake.DialAsync(link.Dialler, LinkPair.Identity("silo-1", key), Target, Patience.Token);
        (LinkPeer peer, LinkTarget target) =
            await Handshake.AnswerAsync(link.Listener, LinkPair.Identity("silo-2", key), Patience.Token).Soon();
        await Handshake.AcceptAsync(link.Listener, Patience.Token);
        Assert.Equal(("silo-1", LinkProtocol.Versions.Newest), (peer.Name, peer.Version));
        Assert.Equal(Target, target);
        LinkPeer listener = await dialling.Soon();
        Assert.Equal(("silo-2", LinkProtocol.Versions.Newest), (listener.Name, listener.Version));
    }

    [Fact]
    public async Task DialAsync_RefusedAfterTheProof_ThrowsTheReason()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task<LinkPeer> dialling = Handshake.DialAsync(link.Dialler, LinkPair.Identity("silo-1"), Target, Patience.Token);
        await Handshake.AnswerAsync(link.Listener, LinkPair.Identity("silo-2"), Patience.Token).Soon();
        await Handshake.RefuseAsync(link.Listener, "silo-2 has no stage; the link is for one of epoch 7.", Patience.Token);
        LinkException fault = await Assert.ThrowsAsync<LinkException>(() => dialling.Soon());
        Assert.Equal("silo-2 has no stage; the link is for one of epoch 7.", fault.Message);
    }

    [Theory]
    [InlineData("secret", "another")]
    [InlineData("secret", "")]
    [InlineData("", "secret")]
    public async Task DialAsync_ListenerWithAnotherKey_IsNotTrustedAndGetsNoProof(string diallerKey, string listenerKey)
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task<(LinkPeer, LinkTarget)> answering =
            Handshake.AnswerAsync(link.Listener, LinkPair.Identity("silo-2", listenerKey), Patience.Token);
        LinkException fault = await Assert.ThrowsAsync<LinkException>(
            () => Handshake.DialAsync(link.Dialler, LinkPair.Identity("silo-1", diallerKey), Target, Patience.Token).Soon());
        Assert.Contains("'silo-2' did not prove", fault.Message, StringComparison.Ordinal);
        link.Dialler.Dispose();
        LinkException refused = await Assert.ThrowsAsync<LinkException>(() => answering.Soon());
        Assert.Contains("'silo-1' closed the link when it had seen this side's proof", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnswerAsync_DiallerWithoutTheKey_IsRefused()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task<(LinkPeer, LinkTarget)> answering = Handshake.AnswerAsync(link.Listener, LinkPair.Identity("silo-2"), Patience.Token);

        // A dialler that does not mind whom it talks to, and guesses.
        await SendHelloAsync(link.Dialler);
        await Frames.ReadAsync(link.Dialler, Frames.MaxControlBytes, Patience.Token).Soon();
        await Frames.ReadAsync(link.Dialler, Frames.MaxControlBytes, Patience.Token).Soon();
        await Frames.SendAsync(link.Dialler, FrameKind.Proof, new byte[32], Patience.Token);

        (FrameKind kind, byte[] reason) = await Frames.ReadAsync(link.Dialler, Frames.MaxControlBytes, Patience.Token).Soon();
        Assert.Equal(FrameKind.Refused, kind);
        Assert.Contains("did not prove", Encoding.UTF8.GetString(reason), StringComparison.Ordinal);
        await Assert.ThrowsAsync<LinkException>(() => answering.Soon());
    }

    [Fact]
    public async Task AnswerAsync_ProofOfAnotherLink_IsRefused()
    {
        // What a dialler proved on one link proves nothing on the next, whose random number is another.
        LinkIdentity silo = LinkPair.Identity("silo-2");
        using LinkPair first = await LinkPair.OpenAsync();
        using LinkPair second = await LinkPair.OpenAsync();
        byte[]? hello = null;
        byte[]? proof = null;
        Task<LinkPeer> dialling = Handshake.DialAsync(first.Dialler, LinkPair.Identity("silo-1"), Target, Patience.Token);
        using LinkPair relay = await LinkPair.OpenAsync();
        Task<(LinkPeer, LinkTarget)> answering = Handshake.AnswerAsync(relay.Listener, silo, Patience.Token);
        (_, hello) = await Frames.ReadAsync(first.Listener, 10_000, Patience.Token).Soon();
        await Frames.SendAsync(relay.Dialler, FrameKind.Hello, hello, Patience.Token);
        for (int i = 0; i < 2; i++)
        {
            (FrameKind kind, byte[] payload) = await Frames.ReadAsync(relay.Dialler, 10_000, Patience.Token).Soon();
            await Frames.SendAsync(first.Listener, kind, payload, Patience.Token);
        }

        (_, proof) = await Frames.ReadAsync(first.Listener, 10_000, Patience.Token).Soon();

        Task<(LinkPeer, LinkTarget)> replayed = Handshake.AnswerAsync(second.Listener, silo, Patience.Token);
        await Frames.SendAsync(second.Dialler, FrameKind.Hello, hello, Patience.Token);
        for (int i = 0; i < 2; i++) await Frames.ReadAsync(second.Dialler, 10_000, Patience.Token).Soon();
        await Frames.SendAsync(second.Dialler, FrameKind.Proof, proof, Patience.Token);
        await Assert.ThrowsAsync<LinkException>(() => replayed.Soon());

        await Frames.SendAsync(relay.Dialler, FrameKind.Proof, proof, Patience.Token);
        Assert.Equal("silo-1", (await answering.Soon()).Item1.Name);
        await Handshake.AcceptAsync(first.Listener, Patience.Token);
        await dialling.Soon();
    }

    [Fact]
    public async Task DialAsync_HelloChangedOnItsWay_IsNotProved()
    {
        // Nobody between the two can make them speak an older version, or each take the other for somebody else.
        using LinkPair link = await LinkPair.OpenAsync();
        using LinkPair relay = await LinkPair.OpenAsync();
        Task<LinkPeer> dialling = Handshake.DialAsync(link.Dialler, LinkPair.Identity("silo-1"), Target, Patience.Token);
        Task<(LinkPeer, LinkTarget)> answering = Handshake.AnswerAsync(relay.Listener, LinkPair.Identity("silo-2"), Patience.Token);
        (_, byte[] hello) = await Frames.ReadAsync(link.Listener, 10_000, Patience.Token).Soon();
        string changed = Encoding.UTF8.GetString(hello).Replace("\"oldest\":9", "\"oldest\":1", StringComparison.Ordinal);
        await Frames.SendAsync(relay.Dialler, FrameKind.Hello, Encoding.UTF8.GetBytes(changed), Patience.Token);
        for (int i = 0; i < 2; i++)
        {
            (FrameKind kind, byte[] payload) = await Frames.ReadAsync(relay.Dialler, 10_000, Patience.Token).Soon();
            await Frames.SendAsync(link.Listener, kind, payload, Patience.Token);
        }

        LinkException fault = await Assert.ThrowsAsync<LinkException>(() => dialling.Soon());
        Assert.Contains("did not prove", fault.Message, StringComparison.Ordinal);
        relay.Dialler.Dispose();
        await Assert.ThrowsAsync<LinkException>(() => answering.Soon());
    }

    [Theory]
    [InlineData("\"oldest\":10,\"newest\":12", "10 to 12")]
    [InlineData("\"oldest\":1,\"newest\":8", "1 to 8")]
    [InlineData("\"oldest\":12,\"newest\":12", "12")]
    [InlineData("\"version\":8", "8")]
    public async Task AnswerAsync_NoVersionInCommon_IsRefusedWithBothRanges(string versions, string named)
    {
        // What a hello of another version has beside these is not even looked at.
        string reason = await RefusalAsync(link => Frames.SendAsync(
            link, FrameKind.Hello, Encoding.UTF8.GetBytes($"{{\"name\":\"silo-1\",{versions}}}"), Patience.Token).AsTask());
        Assert.Equal($"'silo-1' speaks version {named} of the link protocol; 'silo-2' speaks {LinkProtocol.Versions}.", reason);
    }

    [Theory]
    [InlineData(1, 9, 9)]
    [InlineData(3, 5, 5)]
    [InlineData(7, 20, 9)]
    [InlineData(9, 9, 9)]
    [InlineData(10, 12, null)]
    [InlineData(1, 2, null)]
    [InlineData(9, 3, null)]
    [InlineData(int.MinValue, int.MaxValue, 9)]
    public void Common_RangeOfAnother_IsTheHighestOfBoth(int oldest, int newest, int? expected)
    {
        Assert.Equal(expected, new VersionRange(3, 9).Common(new VersionRange(oldest, newest)));
        Assert.Equal(expected, new VersionRange(oldest, newest).Common(new VersionRange(3, 9)));
    }

    [Fact]
    public async Task AnswerAsync_AnotherModel_IsRefusedWithBothFingerprints()
    {
        string reason = await RefusalAsync(link => SendHelloAsync(link, fingerprint: "beef"));
        Assert.Contains("beef", reason, StringComparison.Ordinal);
        Assert.Contains("expected f00d", reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", 64, 2)]
    [InlineData("silo-1", 63, 2)]
    [InlineData("silo-1", 64, 77)]
    public async Task AnswerAsync_HelloThatLacksSomething_IsRefused(string name, int nonceLength, int purpose)
    {
        string reason = await RefusalAsync(link => SendHelloAsync(link, name: name, nonceLength: nonceLength, purpose: purpose));
        Assert.Contains("lacks", reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DialAsync_AnotherModel_ThrowsTheListenersReason()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task<(LinkPeer, LinkTarget)> answering = Handshake.AnswerAsync(link.Listener, LinkPair.Identity("gateway"), Patience.Token);
        LinkException fault = await Assert.ThrowsAsync<LinkException>(
            () => Handshake.DialAsync(link.Dialler, LinkPair.Identity("silo-1", fingerprint: "beef"), Target, Patience.Token).Soon());
        Assert.Contains("fingerprint beef; expected f00d", fault.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<LinkException>(() => answering.Soon());
    }

    [Fact]
    public async Task DialAsync_OtherWeights_ThrowsBothNamesAndTheOption()
    {
        LinkException fault = await RefusedAsync(
            LinkPair.Identity("silo-1", weights: "Q4_0"), LinkPair.Identity("gateway", weights: "Q8_0"));
        Assert.Equal("'silo-1' has other weights, or another --weights: Q4_0; expected Q8_0.", fault.Message);
    }

    [Fact]
    public async Task DialAsync_OtherModelAndWeights_ThrowsBothDifferences()
    {
        LinkException fault = await RefusedAsync(
            LinkPair.Identity("silo-1", weights: "Q4_0", fingerprint: "beef"), LinkPair.Identity("gateway", weights: "Q8_0"));
        Assert.EndsWith("fingerprint beef; expected f00d, and other weights, or another --weights: Q4_0; expected Q8_0.", fault.Message);
    }

    [Theory]
    [InlineData(128)]
    [InlineData(512)]
    public async Task DialAsync_AnotherContextLength_ThrowsBothAndTheOption(int contextLength)
    {
        LinkException fault = await RefusedAsync(LinkPair.Identity("silo-1", contextLength: contextLength), LinkPair.Identity("gateway"));
        Assert.Equal($"'silo-1' has another --context: {contextLength} tokens; expected 256.", fault.Message);
    }

    [Fact]
    public async Task DialAsync_OtherWeightsOfOneShape_ThrowsTheLayer()
    {
        LinkException fault = await RefusedAsync(
            LinkPair.Identity("silo-1", digests: ",11111111,22222222"), LinkPair.Identity("gateway", digests: "00000000,11111111,33333333"));
        Assert.Equal("'silo-1' has other weights of the same shape, from layer 2 on: a fine-tune of this model, or what it was made from.", fault.Message);
    }

    [Theory]
    [InlineData(ElementType.Q8_0, ElementType.F32)]
    [InlineData(ElementType.F16, ElementType.Q8_0)]
    public async Task DialAsync_AnotherKvType_ThrowsBothAndTheOption(ElementType dialler, ElementType listener)
    {
        LinkException fault = await RefusedAsync(
            LinkPair.Identity("silo-1", kvType: dialler), LinkPair.Identity("gateway", kvType: listener));
        Assert.Equal($"'silo-1' has another --kv-type: {dialler}; expected {listener}.", fault.Message);
    }

    [Theory]
    [InlineData("Q4_0", null)]
    [InlineData(null, "Q4_0")]
    [InlineData("Q4_0", "Q4_0")]
    public async Task DialAsync_WeightsThatDoNotContradict_AreAccepted(string? dialler, string? listener)
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task<LinkPeer> dialling = Handshake.DialAsync(link.Dialler, LinkPair.Identity("silo-1", weights: dialler), Target, Patience.Token);
        await Handshake.AnswerAsync(link.Listener, LinkPair.Identity("gateway", weights: listener), Patience.Token).Soon();
        await Handshake.AcceptAsync(link.Listener, Patience.Token);
        Assert.Equal("gateway", (await dialling.Soon()).Name);
    }

    [Fact]
    public async Task AnswerAsync_HelloOfMoreThanItNeeds_IsRefusedUnread()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task<(LinkPeer, LinkTarget)> answering = Handshake.AnswerAsync(link.Listener, LinkPair.Identity("silo-2"), Patience.Token);
        await SendHelloAsync(link.Dialler, name: new string('x', 20_000));
        LinkException fault = await Assert.ThrowsAsync<LinkException>(() => answering.Soon());
        Assert.Contains("expected at most 16384", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnswerAsync_MutatedHellos_OnlyEverThrowIOException()
    {
        var random = new Random(3);
        byte[] hello = Frames.Encode(MakeHello());
        for (int i = 0; i < 300; i++)
        {
            byte[] mutated = [.. hello];
            for (int m = random.Next(1, 4); m > 0; m--) mutated[random.Next(hello.Length)] = (byte)random.Next(256);
            byte[] frame = new byte[Frames.HeaderBytes + mutated.Length];
            Frames.WriteHeader(frame, FrameKind.Hello, mutated.Length);
            mutated.CopyTo(frame, Frames.HeaderBytes);
            using var link = new OneWayStream(frame);
            await Assert.ThrowsAnyAsync<IOException>(() => Handshake.AnswerAsync(link, LinkPair.Identity("silo-2"), Patience.Token).Soon());
        }
    }

    private static async Task<LinkException> RefusedAsync(LinkIdentity dialler, LinkIdentity listener)
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task<(LinkPeer, LinkTarget)> answering = Handshake.AnswerAsync(link.Listener, listener, Patience.Token);
        LinkException fault = await Assert.ThrowsAsync<LinkException>(
            () => Handshake.DialAsync(link.Dialler, dialler, Target, Patience.Token).Soon());
        Assert.Equal(fault.Message, (await Assert.ThrowsAsync<LinkException>(() => answering.Soon())).Message);
        return fault;
    }

    private static async Task<string> RefusalAsync(Func<Stream, Task> greet)
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task<(LinkPeer, LinkTarget)> answering = Handshake.AnswerAsync(link.Listener, LinkPair.Identity("silo-2"), Patience.Token);
        await greet(link.Dialler);
        (FrameKind kind, byte[] reason) = await Frames.ReadAsync(link.Dialler, Frames.MaxControlBytes, Patience.Token).Soon();
        Assert.Equal(FrameKind.Refused, kind);
        string told = Encoding.UTF8.GetString(reason);
        Assert.Equal(told, (await Assert.ThrowsAsync<LinkException>(() => answering.Soon())).Message);
        return told;
    }

    private static Task SendHelloAsync(
        Stream link, string name = "silo-1", string fingerprint = "f00d", int nonceLength = 64, int purpose = 2) =>
        Frames.SendAsync(
            link, FrameKind.Hello, Frames.Encode(MakeHello(name, fingerprint, nonceLength, purpose)), Patience.Token).AsTask();

    private static object MakeHello(string name = "silo-1", string fingerprint = "f00d", int nonceLength = 64, int purpose = 2) =>
        new
        {
            oldest = LinkProtocol.Versions.Oldest, newest = LinkProtocol.Versions.Newest, features = Array.Empty<string>(), name,
            nonce = new string('a', nonceLength),
            model = new { fingerprint, contextLength = 256, weights = "F16", layerDigests = "0123abcd,,89abcdef", kvType = "F32" },
            target = new { purpose, ticket = new { epoch = 7, secret = Guid.Empty } },
        };
}
