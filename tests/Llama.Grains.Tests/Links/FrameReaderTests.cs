using Llama.Grains.Links;

namespace Llama.Grains.Tests.Links;

public sealed class FrameReaderTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(70_000)]
    [InlineData(int.MaxValue)]
    public async Task ReadFrameAsync_FramesInPiecesOfAnySize_AreTheSame(int piece)
    {
        int[] lengths = [0, 1, 100, 65_531, 65_536, 200_000, 5, 0, 40_000, 40_000];
        var stream = new MemoryStream();
        foreach (int length in lengths) await Frames.SendAsync(stream, FrameKind.Result, Payload(length), Patience.Token);
        var reader = new FrameReader(new PieceStream(stream.ToArray(), piece));
        foreach (int length in lengths)
        {
            (FrameKind kind, ReadOnlyMemory<byte> payload) = await reader.ReadFrameAsync(200_000, Patience.Token);
            Assert.Equal(FrameKind.Result, kind);
            Assert.True(payload.Span.SequenceEqual(Payload(length)), $"{length} bytes");
        }

        await Assert.ThrowsAsync<EndOfStreamException>(async () => await reader.ReadHeaderAsync(10, Patience.Token));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(int.MaxValue)]
    public async Task ReadAsync_PeekedThenReadToTheirPlace_AreTheBytesInOrder(int piece)
    {
        byte[] bytes = Payload(300_000);
        var reader = new FrameReader(new PieceStream(bytes, piece));
        byte[] target = new byte[200_000];
        Assert.Equal(bytes[..32], (await reader.PeekAsync(32, Patience.Token)).ToArray());
        Assert.Equal(bytes[..80_000], (await reader.ReadAsync(80_000, Patience.Token)).ToArray());
        await reader.ReadAsync(target.AsMemory(), Patience.Token);
        Assert.Equal(bytes[80_000..280_000], target);
        Assert.Equal(bytes[280_000..], (await reader.ReadAsync(20_000, Patience.Token)).ToArray());
        await Assert.ThrowsAsync<EndOfStreamException>(async () => await reader.ReadAsync(target.AsMemory(0, 1), Patience.Token));
    }

    [Theory]
    [InlineData(101, "101")]
    [InlineData(-1, "4294967295")]
    public async Task ReadFrameAsync_LengthOutOfBounds_IsRefused(int length, string found)
    {
        byte[] header = new byte[Frames.HeaderBytes];
        Frames.WriteHeader(header, FrameKind.Result, length);
        var reader = new FrameReader(new MemoryStream(header));
        LinkException fault = await Assert.ThrowsAsync<LinkException>(async () => await reader.ReadFrameAsync(100, Patience.Token));
        Assert.Equal($"A frame announces {found} bytes; expected at most 100.", fault.Message);
    }

    [Fact]
    public async Task ReadFrameAsync_AnnouncementOfMoreThanComes_MakesRoomForWhatCame()
    {
        byte[] frame = new byte[1_000_000];
        Frames.WriteHeader(frame, FrameKind.Result, 1 << 30);
        var reader = new FrameReader(new MemoryStream(frame));
        long before = GC.GetAllocatedBytesForCurrentThread();
        await Assert.ThrowsAsync<EndOfStreamException>(async () => await reader.ReadFrameAsync(1 << 30, Patience.Token));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1_000_000, 5_000_000);
    }

    private static byte[] Payload(int length)
    {
        byte[] payload = new byte[length];
        new Random(length).NextBytes(payload);
        return payload;
    }

    /// <summary>Gives at most so many bytes at once.</summary>
    private sealed class PieceStream(byte[] bytes, int piece) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(piece, buffer.Length)], cancellationToken);
    }
}
