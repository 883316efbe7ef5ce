using System.Buffers.Binary;
using System.Text;
using Llama.Grains.Links;

namespace Llama.Grains.Tests.Links;

public sealed class FramesTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100_000)]
    public async Task ReadAsync_WhatSendAsyncWrote_IsTheSame(int length)
    {
        byte[] payload = new byte[length];
        new Random(length).NextBytes(payload);
        var stream = new MemoryStream();
        await Frames.SendAsync(stream, FrameKind.Step, payload, Patience.Token);
        await Frames.SendAsync(stream, FrameKind.HeartbeatAnswer, ReadOnlyMemory<byte>.Empty, Patience.Token);
        stream.Position = 0;

        (FrameKind kind, byte[] read) = await Frames.ReadAsync(stream, length, Patience.Token);
        Assert.Equal(FrameKind.Step, kind);
        Assert.Equal(payload, read);
        (kind, read) = await Frames.ReadAsync(stream, 0, Patience.Token);
        Assert.Equal(FrameKind.HeartbeatAnswer, kind);
        Assert.Empty(read);
    }

    [Theory]
    [InlineData(int.MaxValue, "2147483647")]
    [InlineData(Frames.MaxControlBytes + 1, "1048577")]
    [InlineData(-1, "4294967295")]
    [InlineData(int.MinValue, "2147483648")]
    public async Task ReadAsync_LengthOutOfBounds_IsRefusedBeforeAnythingIsAllocated(int length, string found)
    {
        byte[] header = new byte[Frames.HeaderBytes];
        Frames.WriteHeader(header, FrameKind.Hello, length);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Task<(FrameKind, byte[])> reading = Frames.ReadAsync(new MemoryStream(header), Frames.MaxControlBytes, Patience.Token).AsTask();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        LinkException fault = await Assert.ThrowsAsync<LinkException>(() => reading);
        Assert.Contains(found, fault.Message, StringComparison.Ordinal);
        Assert.Contains("1048576", fault.Message, StringComparison.Ordinal);
        Assert.InRange(allocated, 0, 100_000);
    }

    [Fact]
    public async Task ReadAsync_CutOffAnywhere_EndsAsClosed()
    {
        var stream = new MemoryStream();
        await Frames.SendAsync(stream, FrameKind.Step, new byte[10], Patience.Token);
        byte[] frame = stream.ToArray();
        for (int length = 0; length < frame.Length; length++)
        {
            await Assert.ThrowsAsync<EndOfStreamException>(
                async () => await Frames.ReadAsync(new MemoryStream(frame, 0, length), 100, Patience.Token));
        }
    }

    [Fact]
    public void Expect_RefusalInsteadOfTheMessage_ThrowsItsReason()
    {
        LinkException fault = Assert.Throws<LinkException>(
            () => Frames.Expect(FrameKind.Refused, FrameKind.Welcome, "No such stage."u8));
        Assert.Equal("No such stage.", fault.Message);
    }

    [Fact]
    public void Expect_AnotherKind_NamesBoth()
    {
        LinkException fault = Assert.Throws<LinkException>(() => Frames.Expect(FrameKind.HeartbeatAnswer, FrameKind.Welcome, []));
        Assert.Contains("Heartbeat", fault.Message, StringComparison.Ordinal);
        Assert.Contains("Welcome", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_WhatEncodeMade_IsEqual()
    {
        var note = new Note("silo-ü\n\"1\"", ulong.MaxValue, long.MinValue, null);
        Assert.Equal(note, Frames.Parse<Note>(FrameKind.Hello, Frames.Encode(note)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"name\":null,\"epoch\":0,\"bytes\":1,\"remark\":\"p\"}")]
    [InlineData("{\"name\":\"a\",\"epoch\":0,\"remark\":\"p\"}")]
    [InlineData("{\"name\":\"a\",\"epoch\":0,\"bytes\":1e99,\"remark\":\"p\"}")]
    [InlineData("{\"name\":\"\\ud800\",\"epoch\":0,\"bytes\":1,\"remark\":\"p\"}")]
    [InlineData("{\"name\":{\"name\":[[[[\"a\"")]
    public void Parse_NoSuchMessage_ThrowsLinkException(string json)
    {
        LinkException fault = Assert.Throws<LinkException>(() => Frames.Parse<Note>(FrameKind.Hello, Encoding.UTF8.GetBytes(json)));
        Assert.Contains("Hello", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_MutatedJson_ThrowsLinkExceptionOrParses()
    {
        byte[] json = "{\"name\":\"silo-1\",\"epoch\":7,\"bytes\":-12,\"remark\":\"a \\\"b\\\"\",\"more\":[1,{\"x\":null}]}"u8.ToArray();
        var random = new Random(1);
        int parsed = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] mutated = [.. json];
            for (int m = random.Next(1, 4); m > 0; m--) mutated[random.Next(json.Length)] = (byte)random.Next(256);
            try
            {
                Frames.Parse<Note>(FrameKind.Hello, mutated.AsSpan(0, random.Next(10) == 0 ? random.Next(json.Length) : json.Length));
                parsed++;
            }
            catch (LinkException)
            {
                // As it should.
            }
        }

        Assert.InRange(parsed, 1, 19_999);
    }

    [Fact]
    public async Task ReadFailureAsync_SentenceClosingOrAnythingElse_TellsThemApart()
    {
        var stream = new MemoryStream();
        await Frames.SendAsync(stream, FrameKind.Failure, "Out of memory."u8.ToArray(), Patience.Token);
        await Frames.SendAsync(stream, FrameKind.Result, ReadOnlyMemory<byte>.Empty, Patience.Token);
        stream.Position = 0;
        Assert.Equal("Out of memory.", await Frames.ReadFailureAsync(stream, Patience.Token));
        Assert.Contains("Result", await Frames.ReadFailureAsync(stream, Patience.Token), StringComparison.Ordinal);
        Assert.Null(await Frames.ReadFailureAsync(stream, Patience.Token));
    }

    [Fact]
    public void WriteHeader_IsLittleEndianLengthThenKind()
    {
        byte[] header = new byte[Frames.HeaderBytes];
        Frames.WriteHeader(header, FrameKind.Result, 0x01020304);
        Assert.Equal(0x01020304, BinaryPrimitives.ReadInt32LittleEndian(header));
        Assert.Equal([4, 3, 2, 1, 31], header);
    }

    /// <summary>A message.</summary>
    private sealed record Note(string Name, ulong Epoch, long Bytes, string? Remark);
}
