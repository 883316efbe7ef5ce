using Llama.Grains.Links;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Links;

public sealed class FrameWriterTests
{
    [Theory]
    [InlineData(0, 1, 1)]
    [InlineData(16_384, 1, 1)]
    [InlineData(65_536, 1, 1)]
    [InlineData(65_537, 1, 2)]
    [InlineData(65_536, 20_000, 2)]
    [InlineData(1 << 20, 100_000, 2)]
    public async Task SendAsync_Step_IsOneFrameInAsFewWritesAsAreWorthIt(int hiddenBytes, int blocks, int writes)
    {
        var step = new Step { Epoch = 3, Number = 4 };
        step.AddSamplingSequence(0, [1, 2], [.. Enumerable.Range(0, blocks)], new SamplingParameters(), 0.5, 3);
        byte[] hidden = new byte[hiddenBytes];
        new Random(1).NextBytes(hidden);
        var stream = new CountingStream();
        var writer = new FrameWriter();
        for (int time = 1; time <= 2; time++)
        {
            await writer.SendAsync(stream, step, hidden, Patience.Token);
            Assert.Equal(writes * time, stream.Writes);
        }

        stream.Position = 0;
        for (int time = 1; time <= 2; time++)
        {
            (FrameKind kind, byte[] payload) = await Frames.ReadAsync(stream, int.MaxValue, Patience.Token);
            byte[] expected = new byte[StepCodec.Bytes(step)];
            StepCodec.Write(step, expected);
            Assert.Equal(FrameKind.Step, kind);
            Assert.True(payload.AsSpan().SequenceEqual((byte[])[.. expected, .. hidden]));
        }
    }

    [Fact]
    public async Task SendAsync_Result_IsOneFrame()
    {
        var sampled = new SampledTokens();
        sampled.Add(new TokenLogprob(5, -1), [new TokenLogprob(5, -1), new TokenLogprob(6, -2)]);
        var stream = new CountingStream();
        await new FrameWriter().SendAsync(stream, new StepResult(7, 8, sampled), Patience.Token);

        stream.Position = 0;
        (FrameKind kind, byte[] payload) = await Frames.ReadAsync(stream, 1000, Patience.Token);
        Assert.Equal((FrameKind.Result, 1), (kind, stream.Writes));
        StepResult result = ResultCodec.Read(payload, new SampledTokens());
        Assert.Equal((7ul, 8ul, 1), (result.Epoch, result.Number, result.Sampled.Count));
        Assert.Equal(6, result.Sampled[0].TopLogprobs[1].Token);
    }

    private sealed class CountingStream : MemoryStream
    {
        public int Writes { get; private set; }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Writes++;
            return base.WriteAsync(buffer, cancellationToken);
        }
    }
}
