using Llama.Grains.Generation;
using Llama.Grains.Scheduling;

namespace Llama.Grains.Tests.Gateway;

/// <summary>What real stages tell of prompts has the same bits however the layers are cut and steps divided, among others, and when a stage is lost.</summary>
public sealed class PromptRecoveryTests
{
    private static readonly GenerationRequest[] Requests = [.. Enumerable.Range(0, 12).Select(MakeRequest)];

    [Fact]
    public async Task GenerateAsync_OtherCutsAndStepsAndALostStage_TellTheSameBitsOfPrompts()
    {
        byte[][] alone = new byte[Requests.Length][];
        await using (TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 1))
        {
            for (int i = 0; i < alone.Length; i++) alone[i] = await PromptAsync(cluster, Requests[i]).Soon();
        }

        await using (TestCluster cluster = await TestCluster.StartAsync(
            TestModel.TinyStories, 3, spares: 1, limits: new SchedulerLimits { StepTokens = 16 }, kvMemory: 8 << 20))
        {
            // The prompts take many steps; the stage is lost when a request beside them has its third token.
            Task<List<int>> beside = cluster.GenerateAsync(
                TestModel.TinyStories.Request(0), token => token == 3 ? cluster.KillAsync("silo-2") : Task.CompletedTask);
            byte[][] together = await Task.WhenAll(Requests.Select(request => PromptAsync(cluster, request))).Soon();
            Assert.Equal(TestModel.TinyStories.Golden[0].Greedy, await beside.Soon());
            Assert.Single(cluster.Recomputations);
            for (int i = 0; i < alone.Length; i++) Assert.Equal(Convert.ToHexString(alone[i]), Convert.ToHexString(together[i]));
        }
    }

    private static async Task<byte[]> PromptAsync(TestCluster cluster, GenerationRequest request)
    {
        await foreach (GeneratedToken token in cluster.Gateway.GenerateAsync(request, Patience.Token)) return token.Prompt.ToArray();
        throw new InvalidOperationException("Nothing was told.");
    }

    /// <summary>Prompts of up to 250 tokens, some of which begin alike.</summary>
    private static GenerationRequest MakeRequest(int number)
    {
        IReadOnlyList<int> story = [.. TestModel.TinyStories.Golden[number % 2].Prompt, .. TestModel.TinyStories.Golden[number % 2].Greedy];
        var request = new GenerationRequest { PromptTokens = [.. Enumerable.Range(0, 250 - (number * 3)).Select(i => story[i % story.Count])], MaxTokens = 1 };
        return (number % 3) switch
        {
            0 => request with { PromptLogprobs = number % 5 },
            1 => request with { Pooling = Pooling.Mean },
            _ => request with { Pooling = Pooling.Last },
        };
    }
}
