using Llama.Grains.Scheduling;

namespace Llama.Grains.Tests.Scheduling;

public sealed class StepBudgetTests
{
    [Theory]
    [InlineData(64, 0, 64)]
    [InlineData(64, 20, 44)]
    [InlineData(64, 60, 16)]
    [InlineData(16, 200, 16)]
    [InlineData(1000, 6, 250)]
    [InlineData(16, 250, 6)]
    public void PromptTokens_Fixed_IsWhatDecodingLeavesAndNeverNothing(int step, int inStep, int expected) =>
        Assert.Equal(expected, new StepBudget(step, maxStepTokens: 256).PromptTokens(inStep, inStep, 1000, 1000, 2));

    [Theory]
    [InlineData(StepBudget.LeastStepTokens)]
    [InlineData(2048)]
    public void PromptTokens_BesideDecodingSequences_NeverExceedWhatTheStagesTake(int maxStepTokens)
    {
        foreach (int? step in (int?[])[null, 16, 100_000])
        {
            var budget = new StepBudget(step, maxStepTokens);
            int most = maxStepTokens - StepBudget.Least;
            for (int inStep = 0; inStep <= most; inStep += StepBudget.Least)
                Assert.InRange(budget.PromptTokens(inStep, inStep, 5000, 5000, 1), StepBudget.Least, maxStepTokens - inStep);
        }
    }

    [Fact]
    public void PromptTokens_OthersDecode_TheStepTakesAsLongAsEightThatDecode()
    {
        StepBudget budget = Measured(decode: 0.02, promptToken: 0.001);

        // (8 - 1) × 20 ms at 1 ms a token, in whole blocks.
        Assert.Equal(144, budget.PromptTokens(4, 8, 5000, 5000, 2));
        Assert.Equal(16, Measured(decode: 0.02, promptToken: 0.1).PromptTokens(4, 8, 5000, 5000, 2));
        Assert.Equal(252, Measured(decode: 0.02, promptToken: 0.0001).PromptTokens(4, 8, 5000, 5000, 2));
    }

    [Fact]
    public void PromptTokens_OthersDecode_SpreadsWhatThereIsOverTheStages()
    {
        StepBudget budget = Measured(decode: 0.02, promptToken: 0.0001);
        Assert.Equal(80, budget.PromptTokens(4, 8, promptTokens: 300, backlog: 50, stages: 4));
        Assert.Equal(112, budget.PromptTokens(4, 8, promptTokens: 200, backlog: 400, stages: 4));
        Assert.Equal(64, budget.PromptTokens(4, 8, promptTokens: 31, backlog: 31, stages: 2));
        Assert.Equal(16, budget.PromptTokens(4, 8, promptTokens: 100, backlog: 100, stages: 8));
    }

    [Fact]
    public void PromptTokens_NobodyDecodes_IsBestForThePromptsOwnTime()
    {
        StepBudget budget = Measured(decode: 0.02, promptToken: 0.001);
        Assert.Equal(256, budget.PromptTokens(0, 0, 2048, 2048, 1));

        // √(2048 × 20 / 1) = 202.4 and √(2048 × 20 / 7) = 76.5, in whole blocks.
        Assert.Equal(208, budget.PromptTokens(0, 0, 2048, 2048, 2));
        Assert.Equal(80, budget.PromptTokens(0, 0, 2048, 2048, 8));
        Assert.Equal(16, budget.PromptTokens(0, 0, 20, 20, 64));
    }

    [Fact]
    public void PromptTokens_NothingMeasured_IsHalfAStep()
    {
        var budget = new StepBudget(null, maxStepTokens: 256);
        Assert.Equal(128, budget.PromptTokens(0, 0, 2048, 2048, 2));
        Assert.Equal(128, budget.PromptTokens(3, 3, 2048, 2048, 1));
    }

    private static StepBudget Measured(double decode, double promptToken)
    {
        var budget = new StepBudget(null, maxStepTokens: 256);
        for (int i = 0; i < 100; i++)
        {
            budget.Measure(decode, 0);
            budget.Measure(decode + (100 * promptToken), 100);
        }

        return budget;
    }
}
