using Llama.Grains.Gateway;
using Llama.Grains.Generation;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Gateway;

/// <summary>
/// Real stages are lost in the midst of several sequences: all get the very tokens and log-probabilities that they get undisturbed, and
/// the stages that are left compute nothing again that they have.
/// </summary>
public sealed class RecoveryTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task GenerateAsync_OneStageOfFourLost_OnlyItsLayersComputeAgain(int stage)
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 4, spares: 1);
        StageStatus lost = cluster.Status.Pipelines[0].Stages[stage];
        await AssertSameAsync(cluster, () => cluster.KillAsync(lost.Silo));
        await RecoveredAsync(cluster, 1, (lost.Layers[0], lost.Layers[1]));
        Assert.Equal("silo-5", cluster.Status.Pipelines[0].Stages[stage].Silo);
    }

    [Fact]
    public async Task GenerateAsync_OneStageOfFourLostWithoutALog_TheLayersBeforeComputeAgainToo()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 4, spares: 1, logMemory: 0);
        StageStatus lost = cluster.Status.Pipelines[0].Stages[2];
        await AssertSameAsync(cluster, () => cluster.KillAsync(lost.Silo));
        await RecoveredAsync(cluster, 1, (0, lost.Layers[1]));
    }

    [Fact]
    public async Task GenerateAsync_TwoNeighboursLost_AreRebuiltFromTheLogBeforeThem()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 4, spares: 2);
        IReadOnlyList<StageStatus> stages = cluster.Status.Pipelines[0].Stages;
        await AssertSameAsync(cluster, () => Task.WhenAll(cluster.KillAsync("silo-2"), cluster.KillAsync("silo-3")));
        await RecoveredAsync(cluster, 1, (stages[1].Layers[0], stages[2].Layers[1]));
    }

    [Fact]
    public async Task GenerateAsync_TheReplacementIsLostToo_AndThenItsNeighbour_GoesOn()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 3, spares: 3);
        await AssertSameAsync(
            cluster, () => cluster.KillAsync("silo-2"), () => cluster.KillAsync("silo-4"), () => cluster.KillAsync("silo-3"));
        await RecoveredAsync(cluster, 3, null);
    }

    [Fact]
    public async Task GenerateAsync_SiloIsRestarted_TakesItsPlaceAgain()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 3);
        string[] before = [.. cluster.Stages()];
        await AssertSameAsync(cluster, async () =>
        {
            await cluster.KillAsync("silo-2");
            cluster.AddSilo("silo-2");
        });
        Assert.Equal(before, cluster.Stages());
        StageStatus lost = cluster.Status.Pipelines[0].Stages[1];
        await RecoveredAsync(cluster, 1, (lost.Layers[0], lost.Layers[1]));
    }

    [Theory]
    [InlineData("silo-1", 0, 4, "silo-2 0-3", "silo-3 3-6")]
    [InlineData("silo-2", 2, 4, "silo-1 0-3", "silo-3 3-6")]
    [InlineData("silo-3", 2, 6, "silo-1 0-3", "silo-2 3-6")]
    public async Task GenerateAsync_OneOfThreeLostAndNobodyForItsPlace_TheLayersThatStayAreKept(
        string lost, int first, int end, params string[] stages)
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 3, waitSeconds: 2);
        Assert.Equal(["silo-1 0-2", "silo-2 2-4", "silo-3 4-6"], cluster.Stages());
        int blocks = cluster.Plan.Pipelines[0].KvBlocks;
        await AssertSameAsync(cluster, () => cluster.KillAsync(lost));
        Assert.Equal(stages, cluster.Stages());
        Assert.True(cluster.Plan.Pipelines[0].KvBlocks < blocks);
        await RecoveredAsync(cluster, 1, (first, end));
        Assert.InRange(RecoveredShare(cluster), 0.3, lost == "silo-2" ? 0.65 : 0.85);
        await cluster.AssertGoldenAsync();
    }

    [Fact]
    public async Task GenerateAsync_CutAnewWithoutLogs_TheLayersBeforeComputeAgainToo()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 3, waitSeconds: 2, logMemory: 0);
        await AssertSameAsync(cluster, () => cluster.KillAsync("silo-2"));
        await RecoveredAsync(cluster, 1, (0, 4));
    }

    [Fact]
    public async Task GenerateAsync_CutAnewAgainAndAgain_GoesOnWithWhatIsLeft()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 4, waitSeconds: 2);
        await AssertSameAsync(
            cluster, () => cluster.KillAsync("silo-2"), () => cluster.KillAsync("silo-4"), () => cluster.KillAsync("silo-1"));
        Assert.Equal(["silo-3 0-6"], cluster.Stages());
    }

    [Fact]
    public async Task GenerateAsync_CutAnewWithRoomForFewerBlocks_SomeArePreemptedAndAllGoOn()
    {
        // A block takes 8 KiB in a layer: 60 blocks for three stages of two, and 40 for two of three, of the 55 that are needed in the end.
        await using TestCluster cluster =
            await TestCluster.StartAsync(TestModel.TinyStories, 3, waitSeconds: 2, kvMemory: 60 * 2 * 8192);
        await AssertSameAsync(cluster, () => cluster.KillAsync("silo-2"));
        Assert.Equal(40, cluster.Plan.Pipelines[0].KvBlocks);
        await RecoveredAsync(cluster, 1, (2, 4));
    }

    /// <summary>Layers times positions that were computed again, as a part of all that there were.</summary>
    private static double RecoveredShare(TestCluster cluster)
    {
        Recomputation again = cluster.Recomputations.Single();
        double all = (again.Rebuilt + again.Everywhere) * cluster.Model.Config.Layers;
        return ((again.Rebuilt * (again.End - again.First)) + (again.Everywhere * cluster.Model.Config.Layers)) / all;
    }

    /// <summary>Some sequences, greedy and seeded, run once undisturbed and once while something happens again and again.</summary>
    private static async Task AssertSameAsync(TestCluster cluster, params Func<Task>[] disturbances)
    {
        GenerationRequest[] requests =
        [
            .. Enumerable.Range(0, 5).Select(i => cluster.Model.Request(i % cluster.Model.Golden.Count) with
            {
                MaxTokens = 150,
                Sampling = new SamplingParameters { Temperature = i < 2 ? 0 : 1 },
                Seed = (ulong)i,
                TopLogprobs = i,
            }),
        ];
        List<string>[] undisturbed = await Task.WhenAll(requests.Select(request => RunAsync(cluster, request))).Soon();
        Assert.All(undisturbed, tokens => Assert.Equal(150, tokens.Count));

        int next = 0;
        List<string>[] disturbed = await Task.WhenAll(requests.Select((request, i) => RunAsync(cluster, request, async at =>
        {
            if (i == 0 && at >= 40 && at % 20 == 0 && next < disturbances.Length) await disturbances[next++]();
        }))).Soon();
        Assert.Equal(disturbances.Length, next);
        Assert.Equal(undisturbed, disturbed);
    }

    /// <param name="cluster">The cluster.</param>
    /// <param name="times">How often something was computed again.</param>
    /// <param name="layers">The layers that alone were, each time; null where they differ.</param>
    private static async Task RecoveredAsync(TestCluster cluster, int times, (int First, int End)? layers)
    {
        await Patience.UntilAsync(() => cluster.Recomputations.Count == times, () => string.Join('\n', cluster.Recomputations));
        if (layers is { } expected) Assert.All(cluster.Recomputations, again => Assert.Equal(expected, (again.First, again.End)));
    }

    private static async Task<List<string>> RunAsync(TestCluster cluster, GenerationRequest request, Func<int, Task>? atToken = null)
    {
        var tokens = new List<string>();
        await foreach (GeneratedToken token in cluster.Gateway.GenerateAsync(request, Patience.Token))
        {
            tokens.Add($"{Bits(token.Sampled)} of {string.Join(", ", token.TopLogprobs.Select(Bits))}");
            if (atToken is not null) await atToken(tokens.Count);
        }

        return tokens;
    }

    private static string Bits(TokenLogprob token) => $"{token.Token}:{BitConverter.SingleToInt32Bits(token.LogProbability):x8}";
}
