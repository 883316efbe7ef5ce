using Llama.Grains.Links;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Links;

public sealed class ResultCodecTests
{
    [Fact]
    public void Read_WhatWriteWrote_IsTheSame()
    {
        for (int seed = 0; seed < 300; seed++)
        {
            StepResult result = RandomResult(new Random(seed));
            AssertEqual(result, ResultCodec.Read(Encoded.Of(result), new SampledTokens()));
        }
    }

    [Fact]
    public void Write_LargestResult_HasTheBoundsLength()
    {
        TokenLogprob[] topLogprobs = [.. Enumerable.Repeat(new TokenLogprob(int.MaxValue, float.NegativeInfinity), Step.MaxTopLogprobs)];
        var result = new StepResult(1, 2, new SampledTokens());
        for (int i = 0; i < Step.MaxTokens; i++) result.Sampled.Add(new TokenLogprob(-1, float.NaN), topLogprobs);
        byte[] bytes = Encoded.Of(result);
        Assert.Equal(ResultCodec.MaxBytes - OptionalParts.MaxBytes, bytes.Length);
        AssertEqual(result, ResultCodec.Read(bytes, new SampledTokens()));
    }

    [Fact]
    public void Read_EveryTruncationAndExtension_ThrowsLinkException()
    {
        byte[] bytes = Encoded.Of(RandomResult(new Random(4)));
        for (int length = 0; length < bytes.Length; length++)
            Assert.Throws<LinkException>(() => ResultCodec.Read(bytes.AsSpan(0, length), new SampledTokens()));
        Assert.Throws<LinkException>(() => ResultCodec.Read([.. bytes, 0], new SampledTokens()));
    }

    [Fact]
    public void Read_PartsOfLaterVersions_AreSkippedOrRefusedByName()
    {
        StepResult result = RandomResult(new Random(4));
        byte[] later = OptionalPartsTests.Part("lsum", 9, 8);
        StepResult read = ResultCodec.Read(WithParts(result, later), new SampledTokens());
        result.Sampled.AddParts(later);
        AssertEqual(result, read);
        LinkException fault = Assert.Throws<LinkException>(
            () => ResultCodec.Read(WithParts(result, OptionalPartsTests.Part("Pool", 9, 8)), new SampledTokens()));
        Assert.Contains("'Pool'", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_MutatedBytes_ThrowsLinkExceptionOrDecodesWithBoundedAllocation()
    {
        var random = new Random(8);
        int decoded = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = WithParts(RandomResult(random), random.Next(2) == 0 ? [] : OptionalPartsTests.Part("lsum", 8, random.Next(20)));
            for (int m = random.Next(1, 5); m > 0; m--) bytes[random.Next(Math.Min(bytes.Length, 60))] = (byte)random.Next(256);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                ResultCodec.Read(bytes, new SampledTokens());
                decoded++;
            }
            catch (LinkException)
            {
                // As it should.
            }

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000);
        }

        Assert.InRange(decoded, 1000, 19_999);
    }

    private static byte[] WithParts(StepResult result, byte[] parts)
    {
        byte[] bytes = [.. Encoded.Of(result), .. parts];
        BitConverter.GetBytes(result.Sampled.Parts.Length + parts.Length).CopyTo(bytes, 20);
        return bytes;
    }

    private static StepResult RandomResult(Random random)
    {
        var result = new StepResult((ulong)random.NextInt64(), (ulong)random.NextInt64(), new SampledTokens());
        for (int i = random.Next(1, 6); i > 0; i--)
        {
            result.Sampled.Add(
                RandomLogprob(random),
                [.. Enumerable.Range(0, random.Next(Step.MaxTopLogprobs + 1)).Select(_ => RandomLogprob(random))]);
        }

        for (int i = random.Next(3); i > 0; i--) result.Sampled.AddParts(OptionalPartsTests.Part(random.Next(2) == 0 ? "plog" : "pool", 7, random.Next(80)));
        return result;
    }

    private static TokenLogprob RandomLogprob(Random random) => new(random.Next(), -random.NextSingle());

    private static void AssertEqual(StepResult expected, StepResult found)
    {
        Assert.Equal((expected.Epoch, expected.Number), (found.Epoch, found.Number));
        Assert.Equal(expected.Sampled.Count, found.Sampled.Count);
        for (int i = 0; i < found.Sampled.Count; i++)
        {
            Assert.Equal(expected.Sampled[i].Sampled, found.Sampled[i].Sampled);
            Assert.Equal(expected.Sampled[i].TopLogprobs, found.Sampled[i].TopLogprobs);
        }

        Assert.Equal(expected.Sampled.Parts, found.Sampled.Parts);
    }
}
