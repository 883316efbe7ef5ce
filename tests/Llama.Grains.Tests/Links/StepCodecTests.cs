using System.Buffers.Binary;
using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Links;

public sealed class StepCodecTests
{
    [Fact]
    public void Read_WhatWriteWrote_IsTheSame()
    {
        for (int seed = 0; seed < 300; seed++)
        {
            Step step = RandomStep(new Random(seed));
            byte[] bytes = Encode(step);
            Assert.Equal(bytes.Length, StepCodec.ReadLength(bytes, out int tokens, out LayerSpan layers));
            Assert.Equal((step.Tokens.Length, new LayerSpan(step.FirstLayer, step.EndLayer)), (tokens, layers));
            Step read = RandomStep(new Random(seed + 1));
            StepCodec.Read(bytes, read, isLast: true);

            Assert.Equal(step.Epoch, read.Epoch);
            Assert.Equal(step.Number, read.Number);
            Assert.Equal((step.FirstLayer, step.EndLayer), (read.FirstLayer, read.EndLayer));
            Assert.Equal(step.Sequences.ToArray(), read.Sequences.ToArray());
            Assert.Equal(step.Tokens.ToArray(), read.Tokens.ToArray());
            Assert.Equal(step.Blocks.ToArray(), read.Blocks.ToArray());
            Assert.Equal(step.Copies.ToArray(), read.Copies.ToArray());
            Assert.Equal(step.Parts.ToArray(), read.Parts.ToArray());
        }
    }

    [Fact]
    public void Read_LargestStep_IsTheSame()
    {
        var step = new Step { Epoch = ulong.MaxValue, Number = ulong.MaxValue };
        var sampling = new SamplingParameters { Temperature = float.Epsilon };
        for (int i = 0; i < Step.MaxTokens; i++)
            step.AddSamplingSequence(int.MaxValue, [int.MinValue], [.. Enumerable.Repeat(i, 100)], sampling, 0.5, 20);
        for (int i = 0; i < Step.MaxTokens; i++) step.AddCopy(i, int.MaxValue - i);
        var read = new Step();
        StepCodec.Read(Encode(step), read, isLast: true);
        Assert.Equal(step.Sequences.ToArray(), read.Sequences.ToArray());
        Assert.Equal(step.Blocks.ToArray(), read.Blocks.ToArray());
        Assert.Equal(step.Copies.ToArray(), read.Copies.ToArray());
    }

    [Fact]
    public void ReadLength_CountsOutOfBounds_AreRefused()
    {
        byte[] header = Encode(RandomStep(new Random(1))).AsSpan(0, StepCodec.HeaderBytes).ToArray();
        foreach ((int offset, int least, int most) in ((int, int, int)[])
            [(16, 1, Step.MaxTokens), (20, 1, Step.MaxTokens), (24, 1, StepCodec.MaxBlocks), (28, 0, Step.MaxTokens), (40, 0, OptionalParts.MaxBytes)])
        {
            foreach (int count in (int[])[int.MinValue, -1, least - 1, most + 1, int.MaxValue])
            {
                byte[] mutated = [.. header];
                BinaryPrimitives.WriteInt32LittleEndian(mutated.AsSpan(offset), count);
                LinkException fault = Assert.Throws<LinkException>(() => StepCodec.ReadLength(mutated, out _, out _));
                Assert.Contains($"{count} ", fault.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void Read_CountsThatDoNotAddUp_AreRefused()
    {
        var step = new Step();
        step.AddSequence(0, [1, 2], [3]);
        step.AddSequence(0, [4], [5, 6]);
        byte[] bytes = Encode(step);
        foreach (int offset in (int[])[4, 8, 48, 52])
        {
            foreach (int count in (int[])[int.MinValue, -1, 0, 3, 4, int.MaxValue])
            {
                byte[] mutated = [.. bytes];
                BinaryPrimitives.WriteInt32LittleEndian(mutated.AsSpan(StepCodec.HeaderBytes + offset), count);
                Assert.Throws<LinkException>(() => StepCodec.Read(mutated, new Step(), isLast: true));
            }
        }
    }

    [Fact]
    public void Read_UnknownFlags_AreRefused()
    {
        byte[] bytes = Encode(RandomStep(new Random(1)));
        bytes[StepCodec.HeaderBytes + 12] |= 2;
        LinkException fault = Assert.Throws<LinkException>(() => StepCodec.Read(bytes, new Step(), isLast: true));
        Assert.Contains("flags", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_MutatedBytes_ThrowsLinkExceptionOrDecodesWithBoundedAllocation()
    {
        var random = new Random(7);
        var read = new Step();
        int decoded = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = Encode(RandomStep(random, most: 6));
            for (int m = random.Next(1, 5); m > 0; m--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                // A conveyor reads as many bytes as the header says, or the link ends.
                int length = StepCodec.ReadLength(bytes, out _, out _);
                if (length > bytes.Length) continue;
                StepCodec.Read(bytes.AsSpan(0, length), read, random.Next(2) == 0);
                decoded++;
                Assert.InRange(read.Tokens.Length, 1, Step.MaxTokens);
                Assert.InRange(read.Sequences.Length, 1, Step.MaxTokens);
            }
            catch (LinkException)
            {
                // As it should.
            }

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20_000);
        }

        Assert.InRange(decoded, 1000, 19_999);
    }

    private static byte[] Encode(Step step)
    {
        byte[] bytes = new byte[StepCodec.Bytes(step)];
        StepCodec.Write(step, bytes);
        return bytes;
    }

    private static Step RandomStep(Random random, int most = 30)
    {
        var step = new Step
        {
            Epoch = (ulong)random.NextInt64(),
            Number = (ulong)random.NextInt64(),
            FirstLayer = random.Next(),
            EndLayer = random.Next(),
        };
        for (int i = random.Next(1, most); i > 0; i--)
        {
            int[] tokens = [.. Enumerable.Range(0, random.Next(1, 8)).Select(_ => random.Next())];
            int[] blocks = [.. Enumerable.Range(0, random.Next(1, 8)).Select(_ => random.Next())];
            if (random.Next(2) == 0)
            {
                step.AddSequence(random.Next(), tokens, blocks);
                continue;
            }

            var sampling = new SamplingParameters
            {
                Temperature = random.NextSingle(),
                TopK = random.Next(),
                TopP = random.NextSingle(),
                MinP = random.NextSingle(),
            };
            step.AddSamplingSequence(random.Next(), tokens, blocks, sampling, random.NextDouble(), random.Next(Step.MaxTopLogprobs + 1));
        }

        for (int i = random.Next(4); i > 0; i--) step.AddCopy(random.Next(), random.Next());
        foreach (int sequence in Enumerable.Range(0, random.Next(3)).Select(_ => random.Next(-1, step.Sequences.Length)).Order().ToArray())
            step.AddParts(OptionalPartsTests.Part("tRac", sequence, random.Next(80)));
        return step;
    }
}
