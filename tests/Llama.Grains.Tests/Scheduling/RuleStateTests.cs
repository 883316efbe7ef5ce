using Llama.Grains.Generation;
using Llama.Grains.Scheduling;
using Llama.Grains.Tests.Gateway;
using Llama.Model.Grammars;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Scheduling;

/// <summary>What the rules of a request put into a step.</summary>
public sealed class RuleStateTests
{
    private static readonly GenerationRequest Request = new() { PromptTokens = [1], StopTokens = [8] };

    [Theory]
    [InlineData(TokenRules.All, 1.5f, new[] { 1, 2, 3 }, new[] { 4, 5 })]
    [InlineData(3, 1.5f, new[] { 3 }, new[] { 4, 5 })]
    [InlineData(1, 1.5f, new int[0], new[] { 5 })]
    [InlineData(0, 1.5f, new int[0], new int[0])]
    [InlineData(TokenRules.All, 1f, new int[0], new[] { 4, 5 })]
    public void Add_Penalties_HaveTheTokensOfTheirRange(int range, float repetition, int[] prompt, int[] answer)
    {
        var rules = new TokenRules { FrequencyPenalty = 1, RepetitionPenalty = repetition, PenaltyRange = range };
        Step expected = Step(step => step.AddPenalties(new Penalties(0, 1, repetition), prompt, answer));
        AssertEqual(expected, rules, [1, 2, 3], [4, 5]);
    }

    [Fact]
    public void Add_MinTokens_DeniesTheEndsUntilThen()
    {
        var rules = new TokenRules { MinTokens = 2 };
        int[] ends = [.. TestModel.TinyStories.Config.EndTokens, 8];
        AssertEqual(Step(step => step.AddDenied(ends)), rules, [1], [5]);
        AssertEqual(Step(_ => { }), rules, [1], [5, 6]);
        AssertEqual(Step(step => step.AddDenied([8])), rules, [1], [5], Request with { IgnoreEndTokens = true });
    }

    [Fact]
    public void Add_BadWords_DenyTheLastTokenBehindTheOthersOfTheAnswer()
    {
        var rules = new TokenRules { BadWords = [[7], [5, 6], [4, 5, 9]] };
        AssertEqual(Step(step => step.AddDenied([7])), rules, [4, 5], []);
        AssertEqual(Step(step => step.AddDenied([7, 6, 9])), rules, [1], [4, 5]);
        AssertEqual(Step(step => step.AddDenied([7, 6])), rules, [4], [5]);
    }

    [Fact]
    public void Add_BiasesAndAllowedTokens_AreTheSameInEveryStep()
    {
        var rules = new TokenRules { Biases = [new TokenBias(5, 2)], AllowedTokens = [16, 3] };
        Step expected = Step(step =>
        {
            step.AddBiases([new TokenBias(5, 2)]);
            step.AddMask(Mask(3, 16));
        });
        AssertEqual(expected, rules, [1], []);
    }

    /// <summary>There is one mask: what both allow, or the grammar's where that is nothing.</summary>
    [Fact]
    public void Add_AllowedTokensAndGrammar_AllowWhatBothDoAndNeverLeaveTheGrammar()
    {
        var rules = new TokenRules { AllowedTokens = [3, 16] };
        AssertEqual(Step(step => step.AddMask(Mask(16))), rules, [1], [], grammar: Mask(5, 16));
        AssertEqual(Step(step => step.AddMask(Mask(5, 7))), rules, [1], [], grammar: Mask(5, 7));
        AssertEqual(Step(step => step.AddMask(Mask(5))), new TokenRules { MinTokens = 0 }, [1], [], grammar: Mask(5));
    }

    private static byte[] Mask(params int[] tokens) => TokenMask.Of(tokens, TestModel.TinyStories.Config.VocabSize);

    private static void AssertEqual(Step expected, TokenRules rules, int[] prompt, int[] answer, GenerationRequest? request = null, byte[]? grammar = null)
    {
        var state = new RuleState(request ?? Request, rules, TestModel.TinyStories.Config);

        // What a step before was asked for is not asked for again.
        for (int i = 0; i < 2; i++) Assert.Equal(expected.Parts, Step(step => state.Add(step, prompt, answer, grammar)).Parts);
    }

    private static Step Step(Action<Step> add)
    {
        var step = new Step();
        step.AddSamplingSequence(0, [1], [0], new SamplingParameters(), 0, 0);
        add(step);
        return step;
    }
}
