using Llama.Model.Grammars;
using Llama.Model.Sampling;

namespace Llama.Model.Tests.Sampling;

public sealed class LogitChangesTests
{
    private static readonly SamplingParameters Greedy = new() { Temperature = 0 };

    [Fact]
    public void Apply_Penalties_GivesTheValuesOfTheFormula()
    {
        var changes = new LogitChanges { Penalties = new Penalties(0.5f, 0.25f, 2), Prompt = [0, 1, 0, 5], Answer = [1, 2, 2, 3] };
        Assert.Equal(
            [
                4f / 2, // in the prompt
                (-4f * 2) - 0.25f - 0.5f, // in the prompt, and once in the answer
                (3f / 2) - 0.5f - 0.5f, // twice in the answer
                0f - 0.25f - 0.5f,
                7f, // in neither
                float.NegativeInfinity,
            ],
            Apply([4, -4, 3, 0, 7, float.NegativeInfinity], changes));
    }

    [Fact]
    public void Apply_Twice_CountsAnew()
    {
        float[] once = Apply([1, 1], new LogitChanges { Penalties = new Penalties(0, 1, 1), Answer = [0, 0] });
        Assert.Equal([-1f, 1f], once);
        Assert.Equal(once, Apply([1, 1], new LogitChanges { Penalties = new Penalties(0, 1, 1), Answer = [0, 0] }, times: 3));
    }

    [Fact]
    public void Apply_MaskDeniedAndBiases_MakeImpossibleAndAdd()
    {
        // Nine tokens, of which 1 and 8 are forbidden.
        var changes = new LogitChanges { Mask = TokenMask.Of([0, 2, 3, 4, 5, 6, 7], 9), Denied = [2], Biases = [new TokenBias(0, 100), new TokenBias(1, 100), new TokenBias(3, -2)] };
        float[] expected = [101, float.NegativeInfinity, float.NegativeInfinity, -1, 1, 1, 1, 1, float.NegativeInfinity];
        Assert.Equal(expected, Apply([.. Enumerable.Repeat(1f, 9)], changes));
    }

    [Fact]
    public void Apply_NothingIsLeftOfTheMask_AllowsAllOfIt()
    {
        float[] expected = [float.NegativeInfinity, 0, float.NegativeInfinity, 0];
        Assert.Equal(expected, Apply([1, 2, 3, 4], new LogitChanges { Mask = TokenMask.Of([1, 3], 4), Denied = [1, 3] }));
    }

    [Fact]
    public void Sample_Changed_TellsTheLogProbabilitiesOfTheModel()
    {
        Span<TokenLogprob> top = new TokenLogprob[2];
        TokenLogprob plain = Sample([1, 2, 3], default, top);
        TokenLogprob denied = Sample([1, 2, 3], new LogitChanges { Denied = [2] }, top);
        Assert.Equal((2, 1), (plain.Token, denied.Token));
        Assert.Equal([2, 1], top.ToArray().Select(logprob => logprob.Token));
        Assert.Equal(top[1].LogProbability, denied.LogProbability);
        Assert.Equal(-1 - Math.Log(1 + Math.Exp(-1) + Math.Exp(-2)), denied.LogProbability, 1e-5);
    }

    [Fact]
    public void Sample_DeniedTokens_AreNeverSampledAtAnyTemperature()
    {
        for (double number = 0; number < 1; number += 0.01)
        {
            TokenLogprob token = Sample([5, 1, 4, 0], new LogitChanges { Denied = [0, 2] }, default, new SamplingParameters { TopP = 0.95f }, number);
            Assert.Contains(token.Token, (int[])[1, 3]);
        }
    }

    [Fact]
    public void Sample_BiasBeyondAllNumbers_IsCertain() => Assert.Equal(
        1, Sample([float.MaxValue, float.MaxValue], new LogitChanges { Biases = [new TokenBias(1, float.MaxValue), new TokenBias(0, -1e38f)] }, default).Token);

    private static unsafe float[] Apply(float[] logits, LogitChanges changes, int times = 1)
    {
        using var changer = new LogitChanger(logits.Length);
        using var masked = new MaskedLogits(logits.Length);
        float[] before = [.. logits];
        fixed (float* pointer = logits)
        {
            float[] changed = [];
            for (int i = 0; i < times; i++)
            {
                PossibleTokens possible = changer.Apply(pointer, changes);
                if (!changes.Mask.IsEmpty) possible = masked.Apply(possible.Logits, changes.Mask);
                changed = [.. Enumerable.Repeat(float.NegativeInfinity, logits.Length)];
                for (int index = 0; index < possible.Count; index++) changed[possible.IdOf(index)] = possible.Logits[index];
            }


            Assert.Equal(before, logits);
            return changed;
        }
    }

    private static unsafe TokenLogprob Sample(
        float[] logits, LogitChanges changes, Span<TokenLogprob> top, SamplingParameters? parameters = null, double number = 0.5)
    {
        using var sampler = new Sampler(logits.Length);
        fixed (float* pointer = logits) return sampler.Sample(pointer, parameters ?? Greedy, number, top, changes);
    }
}
