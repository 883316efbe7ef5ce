using Llama.Model.Grammars;
using Llama.Model.Sampling;

namespace Llama.Model.Tests.Sampling;

public sealed class MaskedSamplerTests
{
    public static TheoryData<SamplingParameters> Parameters => new(
        new SamplingParameters { Temperature = 0 }, new SamplingParameters(), new SamplingParameters { TopK = 2 },
        new SamplingParameters { TopP = 0.5f }, new SamplingParameters { MinP = 0.3f }, new SamplingParameters { TopK = 3, TopP = 0.9f, Temperature = 100 });

    [Theory]
    [MemberData(nameof(Parameters))]
    public void Sample_WithMask_OnlyWhatItAllowsWithTheLogprobThatItHasAmongAll(SamplingParameters parameters)
    {
        float[][] rows = [[1, 200, 3, -5, 2], [float.NegativeInfinity, 3, float.NaN, float.NegativeInfinity, 3], [float.NaN, float.NaN, float.NaN, float.NaN, float.NaN]];
        foreach (float[] row in rows)
        {
            foreach (ulong allowed in (ulong[])[0b01101, 0b00001, 0b01000, 0b11111])
            {
                for (double number = 0; number < 1; number += 0.0999)
                {
                    (TokenLogprob sampled, TokenLogprob best) = Sample(row, parameters, number, TokenMask.Write([allowed], 5));
                    Assert.True(((allowed >> sampled.Token) & 1) == 1, $"token {sampled.Token} of {allowed:b}");
                    (TokenLogprob free, TokenLogprob freeBest) = Sample(row, parameters, number, []);
                    Assert.Equal(freeBest, best);
                    if (free.Token == sampled.Token) Assert.Equal(free.LogProbability, sampled.LogProbability);
                    if (allowed == 0b11111) Assert.Equal(free, sampled);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Parameters))]
    public void Sample_MaskOfAnySize_TheTokenThatIsSampledWhereTheOthersAreImpossible(SamplingParameters parameters)
    {
        const int VocabSize = 2001;
        var random = new Random(1);
        float[] logits = [.. Enumerable.Range(0, VocabSize).Select(_ => (float)(random.NextDouble() * 20))];
        foreach (int count in (int[])[1, 2, 64, 124, 125, 126, 500, 1900, VocabSize])
        {
            HashSet<int> allowed = [.. Enumerable.Range(0, VocabSize).OrderBy(_ => random.Next()).Take(count)];
            float[] possible = [.. logits.Select((logit, token) => allowed.Contains(token) ? logit : float.NegativeInfinity)];
            byte[] mask = TokenMask.Of(allowed, VocabSize);
            for (double number = 0; number < 1; number += 0.0999)
                Assert.Equal(Sample(possible, parameters, number, []).Sampled.Token, Sample(logits, parameters, number, mask).Sampled.Token);
        }
    }

    private static unsafe (TokenLogprob Sampled, TokenLogprob Best) Sample(
        float[] logits, SamplingParameters parameters, double number, ReadOnlySpan<byte> mask)
    {
        using var sampler = new Sampler(logits.Length);
        Span<TokenLogprob> best = stackalloc TokenLogprob[1];
        float[] row = [.. logits];
        fixed (float* pointer = row) return (sampler.Sample(pointer, parameters, number, best, new LogitChanges { Mask = mask }), best[0]);
    }
}
