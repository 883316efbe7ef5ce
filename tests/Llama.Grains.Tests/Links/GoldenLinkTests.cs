using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Llama.Grains.Links;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Links;

/// <summary>
/// What version 9 of the link protocol sent, recorded. A release that still speaks it sends the same bytes where it sends anything to a
/// process of that version, and always reads them: then a rolling upgrade works.
/// </summary>
public sealed class GoldenLinkTests
{
    private static readonly Dictionary<string, byte[]> Golden = Read();
    private static readonly byte[] DiallersNonce = [.. Enumerable.Repeat((byte)0x11, 32)];
    private static readonly byte[] ListenersNonce = [.. Enumerable.Repeat((byte)0x22, 32)];

    private static readonly LinkTarget Target = new(LinkPurpose.Steps, new LinkTicket(65_537, new Guid("00112233-4455-6677-8899-aabbccddeeff")));

    private static LinkIdentity Dialler => LinkPair.Identity("silo-1", weights: "Q8_0", digests: "0123abcd,,89abcdef");

    private static LinkIdentity Listener => LinkPair.Identity("silo-2", weights: "Q8_0", digests: "0123abcd,,89abcdef");

    [Fact]
    public async Task DialAsync_RecordedListener_SaysTheRecordedBytesAndHasTheLink()
    {
        var link = new Recording([.. Golden["welcome"], .. Golden["listener-proof"], .. Golden["accepted"]]);
        LinkPeer peer = await Handshake.DialAsync(link, Dialler, Target, DiallersNonce, Patience.Token);
        Assert.Equal(("silo-2", 9), (peer.Name, peer.Version));
        AssertSaid([.. Golden["hello"], .. Golden["dialler-proof"]], link);
    }

    [Fact]
    public async Task AnswerAsync_RecordedDialler_SaysTheRecordedBytesAndKnowsWhatItWants()
    {
        var link = new Recording([.. Golden["hello"], .. Golden["dialler-proof"]]);
        (LinkPeer peer, LinkTarget target) = await Handshake.AnswerAsync(link, Listener, ListenersNonce, Patience.Token);
        await Handshake.AcceptAsync(link, Patience.Token);
        Assert.Equal(("silo-1", 9, Target), (peer.Name, peer.Version, target));
        AssertSaid([.. Golden["welcome"], .. Golden["listener-proof"], .. Golden["accepted"]], link);
    }

    /// <summary>
    /// The same with a process of version 9 that proves what this release says, whatever that is; and with one of a later release that
    /// still speaks 9, and tells more.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Handshake_PeerOfVersion9OrLater_WorksBothWays(bool later)
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task<(LinkPeer Peer, LinkTarget Target)> answering = Handshake.AnswerAsync(link.Listener, Listener, Patience.Token);
        byte[] hello = Payload("hello", later);
        await Frames.SendAsync(link.Dialler, FrameKind.Hello, hello, Patience.Token);
        byte[] welcome = await ReadAsync(link.Dialler, FrameKind.Welcome);
        Assert.Equal(Proof("listener", hello, welcome), await ReadAsync(link.Dialler, FrameKind.Proof));
        await Frames.SendAsync(link.Dialler, FrameKind.Proof, Proof("dialler", hello, welcome), Patience.Token);
        (LinkPeer dialler, LinkTarget target) = await answering.Soon();
        Assert.Equal(("silo-1", 9, Target), (dialler.Name, dialler.Version, target));

        using LinkPair other = await LinkPair.OpenAsync();
        Task<LinkPeer> dialling = Handshake.DialAsync(other.Dialler, Dialler, Target, Patience.Token);
        hello = await ReadAsync(other.Listener, FrameKind.Hello);
        welcome = Payload("welcome", later);
        await Frames.SendAsync(other.Listener, FrameKind.Welcome, welcome, Patience.Token);
        await Frames.SendAsync(other.Listener, FrameKind.Proof, Proof("listener", hello, welcome), Patience.Token);
        Assert.Equal(Proof("dialler", hello, welcome), await ReadAsync(other.Listener, FrameKind.Proof));
        await other.Listener.WriteAsync(Golden["accepted"], Patience.Token);
        LinkPeer listener = await dialling.Soon();
        Assert.Equal(("silo-2", 9), (listener.Name, listener.Version));
    }

    [Fact]
    public async Task DialAsync_ListenerThatChoosesAnotherVersion_IsRefused()
    {
        using LinkPair link = await LinkPair.OpenAsync();
        Task<LinkPeer> dialling = Handshake.DialAsync(link.Dialler, Dialler, Target, Patience.Token);
        byte[] hello = await ReadAsync(link.Listener, FrameKind.Hello);
        byte[] welcome = Encoding.UTF8.GetBytes(
            Encoding.UTF8.GetString(Payload("welcome", later: false)).Replace("\"version\":9", "\"version\":99", StringComparison.Ordinal));
        await Frames.SendAsync(link.Listener, FrameKind.Welcome, welcome, Patience.Token);
        await Frames.SendAsync(link.Listener, FrameKind.Proof, Proof("listener", hello, welcome), Patience.Token);
        LinkException fault = await Assert.ThrowsAsync<LinkException>(() => dialling.Soon());
        Assert.Contains("version 99", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Step_IsTheRecordedBytesAndIsReadBack()
    {
        Step step = MakeStep();
        var link = new Recording([]);
        await new FrameWriter().SendAsync(link, step, new byte[] { 1, 2, 3, 4 }, Patience.Token);
        AssertSaid(Golden["step"], link);

        var read = new Step();
        byte[] payload = Golden["step"][Frames.HeaderBytes..];
        int length = StepCodec.ReadLength(payload, out int tokens, out _);
        Assert.Equal((payload.Length - 4, 3), (length, tokens));
        StepCodec.Read(payload.AsSpan(0, length), read, isLast: true);
        Assert.Equal((step.Epoch, step.Number, step.FirstLayer, step.EndLayer), (read.Epoch, read.Number, read.FirstLayer, read.EndLayer));
        Assert.Equal(step.Sequences.ToArray(), read.Sequences.ToArray());
        Assert.Equal(step.Tokens.ToArray(), read.Tokens.ToArray());
        Assert.Equal(step.Blocks.ToArray(), read.Blocks.ToArray());
        Assert.Equal(step.Copies.ToArray(), read.Copies.ToArray());
        Assert.Equal(step.Parts.ToArray(), read.Parts.ToArray());
    }

    [Fact]
    public async Task Result_IsTheRecordedBytesAndIsReadBack()
    {
        var sampled = new SampledTokens();
        sampled.Add(new TokenLogprob(7, -0.25f), [new TokenLogprob(7, -0.25f), new TokenLogprob(70_000, float.NegativeInfinity)]);
        sampled.Add(new TokenLogprob(8, 0), []);
        var link = new Recording([]);
        await new FrameWriter().SendAsync(link, new StepResult(65_537, 12, sampled), Patience.Token);
        AssertSaid(Golden["result"], link);

        StepResult read = ResultCodec.Read(Golden["result"].AsSpan(Frames.HeaderBytes), new SampledTokens());
        Assert.Equal((65_537ul, 12ul, 2), (read.Epoch, read.Number, read.Sampled.Count));
        Assert.Equal(sampled[0].Sampled, read.Sampled[0].Sampled);
        Assert.Equal(sampled[0].TopLogprobs, read.Sampled[0].TopLogprobs);
        Assert.Equal(sampled[1].Sampled, read.Sampled[1].Sampled);
    }

    [Fact]
    public void StageHeartbeat_IsTheRecordedBytesAndIsReadBack()
    {
        var progress = new RangeProgress(12, 1L << 40, 3, TimeSpan.FromMilliseconds(2.5));
        byte[] frame = new byte[Frames.HeaderBytes + StageHeartbeatCodec.Bytes];
        Frames.WriteHeader(frame, FrameKind.StageHeartbeat, StageHeartbeatCodec.Bytes);
        StageHeartbeatCodec.Write(progress, frame.AsSpan(Frames.HeaderBytes));
        Assert.Equal(Convert.ToHexString(Golden["heartbeat"]), Convert.ToHexString(frame));
        Assert.Equal(progress, StageHeartbeatCodec.Read(Golden["heartbeat"].AsSpan(Frames.HeaderBytes)));
    }

    private static Step MakeStep()
    {
        var step = new Step { Epoch = 65_537, Number = 12, FirstLayer = 2 };
        step.AddSequence(16, [5, 70_000], [3, 9]);
        step.AddSamplingSequence(40, [6], [1, 2, 4], new SamplingParameters { Temperature = 0.5f, TopK = 40, TopP = 0.95f, MinP = 0.05f }, 0.125, 2);
        step.AddCopy(9, 4);
        step.AddParts(OptionalPartsTests.Part("tRac", -1, 3));
        return step;
    }

    /// <summary>How version 9 proves, written down once more: this is never changed.</summary>
    private static byte[] Proof(string side, byte[] hello, byte[] welcome)
    {
        byte[] lengths = new byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(lengths, hello.Length);
        BinaryPrimitives.WriteInt32LittleEndian(lengths.AsSpan(4), welcome.Length);
        return HMACSHA256.HashData(
            "secret"u8, [.. Encoding.ASCII.GetBytes($"llama link {side}"), .. lengths[..4], .. hello, .. lengths[4..], .. welcome]);
    }

    /// <summary>The JSON of a recorded message; of a later release, with a newer range, other features and what nobody knows today.</summary>
    private static byte[] Payload(string name, bool later)
    {
        string json = Encoding.UTF8.GetString(Golden[name].AsSpan(Frames.HeaderBytes));
        if (later)
        {
            json = json.Replace("\"newest\":9", "\"newest\":12", StringComparison.Ordinal)
                .Replace("\"features\":[]", "\"features\":[\"Mask\",\"anything\"]", StringComparison.Ordinal)
                .Replace("\"name\":", "\"future\":{\"a\":[1,null]},\"name\":", StringComparison.Ordinal)
                .Replace("\"target\":{", "\"target\":{\"future\":true,", StringComparison.Ordinal);
        }

        return Encoding.UTF8.GetBytes(json);
    }

    private static async Task<byte[]> ReadAsync(Stream link, FrameKind expected)
    {
        (FrameKind kind, byte[] payload) = await Frames.ReadAsync(link, 10_000, Patience.Token).Soon();
        Assert.Equal(expected, kind);
        return payload;
    }

    private static void AssertSaid(byte[] expected, Recording link) =>
        Assert.Equal(Convert.ToHexString(expected), Convert.ToHexString(link.Said.ToArray()));

    private static Dictionary<string, byte[]> Read()
    {
        using var reader = new StreamReader(typeof(GoldenLinkTests).Assembly.GetManifestResourceStream("links-9.txt")!);
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' '))
            .ToDictionary(words => words[0], words => Convert.FromHexString(words[1]));
    }

    /// <summary>A link on which some bytes come; what is sent into it is kept.</summary>
    private sealed class Recording(byte[] bytes) : MemoryStream(bytes, writable: false)
    {
        public MemoryStream Said { get; } = new();

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            Said.WriteAsync(buffer, cancellationToken);
    }
}
