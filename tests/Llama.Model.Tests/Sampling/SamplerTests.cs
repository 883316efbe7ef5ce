using Llama.Model.Sampling;

namespace Llama.Model.Tests.Sampling;

public sealed class SamplerTests
{
    private static readonly SamplingParameters Greedy = new() { Temperature = 0 };

    public static TheoryData<float, int, float, float> Parameters => new()
    {
        { 0, 0, 1, 0 },
        { 1, 0, 1, 0 },
        { 1, 3, 1, 0 },
        { 1, 0, 0.9f, 0 },
        { 1, 0, 1, 0.1f },
        { 1e-45f, 0, 0.9f, 0 },
        { 1e-30f, 2, 0.9f, 0.5f },
        { float.MaxValue, 0, 0.9f, 0 },
        { float.MaxValue, 0, 1, 0 },
    };

    [Theory]
    [InlineData(0, 3f, 3f, 3f)]
    [InlineData(1, 1f, 3f, 3f)]
    [InlineData(2, -5f, -4f, -3f)]
    [InlineData(0, float.NegativeInfinity, float.NegativeInfinity, float.NegativeInfinity)]
    [InlineData(1, 0f, float.PositiveInfinity, float.PositiveInfinity)]
    [InlineData(2, float.NaN, -1f, 0f)]
    [InlineData(0, 5f, float.NaN, 0f)]
    [InlineData(0, float.NaN, float.NaN, float.NaN)]
    public void Sample_Greedy_IsTheFirstOfTheGreatest(int expected, params float[] logits) =>
        Assert.Equal(expected, Sample(logits, Greedy, 0.999).Sampled.Token);

    [Theory]
    [MemberData(nameof(Parameters))]
    public void Sample_LogitsThatAreNoNumbers_AreNeverSampledBesideOthers(float temperature, int topK, float topP, float minP)
    {
        var parameters = new SamplingParameters { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP };
        float[] logits = [float.NaN, 1, float.NaN, 1.5f, float.NegativeInfinity, -1];
        for (double number = 0; number < 1; number += 0.09)
        {
            (TokenLogprob sampled, TokenLogprob[] topLogprobs) = Sample(logits, parameters, number, 6);
            Assert.Contains(sampled.Token, (int[])[1, 3, 5]);
            Assert.True(sampled.LogProbability is > -4 and <= 0);
            Assert.Equal([3, 1, 5, 0, 2, 4], topLogprobs.Select(c => c.Token));
            Assert.All(topLogprobs[..3], c => Assert.InRange(c.LogProbability, -4, 0));
            Assert.All(topLogprobs[3..], c => Assert.Equal(float.NegativeInfinity, c.LogProbability));
        }
    }

    [Theory]
    [MemberData(nameof(Parameters))]
    public void Sample_NothingButLogitsThatAreNoNumbers_SamplesSomeToken(float temperature, int topK, float topP, float minP)
    {
        var parameters = new SamplingParameters { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP };
        foreach (float logit in (float[])[float.NaN, float.NegativeInfinity, float.PositiveInfinity, float.MaxValue, float.MinValue])
        {
            (TokenLogprob sampled, _) = Sample([.. Enumerable.Repeat(logit, 5)], parameters, 0.5);
            Assert.InRange(sampled.Token, 0, 4);
            Assert.Equal(-Math.Log(5), sampled.LogProbability, 1e-6);
        }
    }

    [Fact]
    public void Sample_InfiniteLogit_IsCertain()
    {
        (TokenLogprob sampled, TokenLogprob[] topLogprobs) = Sample([0, 1e38f, float.PositiveInfinity, -1e38f], new SamplingParameters(), 0.999, 2);
        Assert.Equal(new TokenLogprob(2, 0), sampled);
        Assert.Equal([2, 1], topLogprobs.Select(c => c.Token));
    }

    [Theory]
    [InlineData(1e-45f)]
    [InlineData(1e-39f)]
    [InlineData(1e-37f)]
    [InlineData(1e-6f)]
    public void Sample_TemperatureNearZero_IsGreedyWhateverTheTruncation(float temperature)
    {
        float[] logits = [.. Enumerable.Range(0, 200).Select(i => i == 150 ? 9 : -i * 0.01f)];
        foreach (float topP in (float[])[1, 0.9f])
        {
            foreach (int topK in (int[])[0, 20])
            {
                var parameters = new SamplingParameters { Temperature = temperature, TopP = topP, TopK = topK };
                Assert.Equal(150, Sample(logits, parameters, 0.9999).Sampled.Token);
            }
        }
    }

    [Fact]
    public void Sample_TopLogprobs_AreTheMostProbableWithTheirLogProbabilities()
    {
        var random = new Random(3);
        foreach (float offset in (float[])[0, 1000, -1e6f])
        {
            float[] logits = [.. Enumerable.Range(0, 5000).Select(_ => offset + (float)(random.NextDouble() * 16))];
            double[] expected = ReferenceSampler.LogProbabilities(logits);
            var parameters = new SamplingParameters { Temperature = 0.6f, TopK = 5 };

            (TokenLogprob sampled, TokenLogprob[] topLogprobs) = Sample(logits, parameters, 0.4, 20);

            Assert.Equal(expected[sampled.Token], sampled.LogProbability, 1e-5);
            int[] best = [.. Enumerable.Range(0, logits.Length).OrderByDescending(i => logits[i]).ThenBy(i => i).Take(20)];
            Assert.Equal(best, topLogprobs.Select(c => c.Token));
            Assert.All(topLogprobs, c => Assert.Equal(expected[c.Token], c.LogProbability, 1e-5));
        }
    }

    [Fact]
    public void Sample_VocabularyOfLlama3_HasPreciseLogProbabilities()
    {
        // 128,256 equal weights of 1, and as many that add up to little: what single-precision lanes may lose must not be seen.
        float[] equal = [.. Enumerable.Repeat(2f, 128_256)];
        Assert.Equal(-Math.Log(128_256), Sample(equal, Greedy, 0).Sampled.LogProbability, 1e-5);
        float[] tail = [.. Enumerable.Range(0, 128_256).Select(i => i == 0 ? 12 : (float)Math.Sin(i))];
        Assert.Equal(ReferenceSampler.LogProbabilities(tail)[0], Sample(tail, Greedy, 0).Sampled.LogProbability, 1e-5);
    }

    [Fact]
    public void Sample_VocabularyOfOne_SamplesIt()
    {
        foreach (float temperature in (float[])[0, 1])
        {
            var parameters = new SamplingParameters { Temperature = temperature, TopP = 0.5f };
            (TokenLogprob sampled, TokenLogprob[] topLogprobs) = Sample([-7], parameters, 0.99, 1);
            Assert.Equal(new TokenLogprob(0, 0), sampled);
            Assert.Equal([sampled], topLogprobs);
        }
    }

    [Fact]
    public void Sample_GreatestNumberBelowOne_SamplesATokenWithWeight()
    {
        // The last tokens have weight 0.
        float[] logits = [0, 0, 0, -1000, -1000];
        foreach (float topP in (float[])[1, 0.9999999f])
            Assert.Equal(2, Sample(logits, new SamplingParameters { TopP = topP }, Math.BitDecrement(1)).Sampled.Token);
    }

    private static unsafe (TokenLogprob Sampled, TokenLogprob[] TopLogprobs) Sample(
        float[] logits, SamplingParameters parameters, double number, int topLogprobs = 0)
    {
        using var sampler = new Sampler(logits.Length);
        var reported = new TokenLogprob[topLogprobs];
        float[] copy = [.. logits];
        fixed (float* pointer = copy) return (sampler.Sample(pointer, parameters, number, reported), reported);
    }
}
