using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>A small trained model of five layers, cut over real processes.</summary>
public sealed class StoriesTests
{
    private const int Layers = 5;
    private static readonly string Folder = Path.Combine(TestPaths.Beside, "models", "stories260K");

    [Theory]
    [InlineData("meta", 1)]
    [InlineData("meta", 3)]
    [InlineData("hf", 0)]
    [InlineData("hf", 2)]
    public async Task Completion_LayersOverSilos_GivesTheGreedyTokens(string layout, int silos)
    {
        using TestCluster cluster = await TestCluster.StartAsync(Model(layout), silos);

        await AssertGreedyAsync(cluster);

        IReadOnlyList<StageStatus> stages = await cluster.Client.StagesAsync();
        Assert.Equal(Math.Max(1, silos), stages.Count);
        Assert.Equal(Layers, stages.Sum(stage => stage.Layers[1] - stage.Layers[0]));
        Assert.Equal(stages.Count, stages.Select(stage => stage.ProcessId).Distinct().Count());
    }

    [Fact]
    public async Task Completion_SilosStartBeforeTheGateway_GivesTheGreedyTokens()
    {
        using var cluster = new TestCluster(Model("meta"), 2);
        RunningProgram[] silos = [cluster.StartSilo(2), cluster.StartSilo(1)];
        foreach (RunningProgram silo in silos) await silo.SaysAsync("computes with 1 thread", TimeSpan.FromSeconds(30));
        cluster.StartGateway();
        await cluster.ReadyAsync();

        await AssertGreedyAsync(cluster);
        Assert.Equal(["silo-1", "silo-2"], (await cluster.Client.StagesAsync()).Select(stage => stage.Silo));
    }

    [Fact]
    public async Task Completion_MoreSilosThanLayers_SurplusStandsBy()
    {
        using TestCluster cluster = await TestCluster.StartAsync(Model("hf"), Layers + 1);
        await Wait.UntilAsync(
            "a silo stands by",
            TimeSpan.FromSeconds(30),
            async () => (await cluster.Client.StatusAsync()).Standby.Count > 0,
            () => cluster.Output);

        await AssertGreedyAsync(cluster);
        ClusterStatus status = await cluster.Client.StatusAsync();
        IReadOnlyList<StageStatus> stages = Assert.Single(status.Pipelines).Stages;
        Assert.Equal(Layers, stages.Count);
        Assert.DoesNotContain(Assert.Single(status.Standby), stages.Select(stage => stage.Silo));
    }

    private static string Model(string layout)
    {
        string model = Path.Combine(Folder, layout);
        Assert.SkipUnless(Directory.Exists(model), $"{model} is not there");
        return model;
    }

    private static async Task AssertGreedyAsync(TestCluster cluster)
    {
        GoldenTokens golden = Assert.Single(GoldenTokens.Read(Path.Combine(Folder, "greedy.json"), "greedy_tokens"));
        Assert.Equal(200, golden.Greedy.Count);
        Assert.Equal(golden.Greedy, await cluster.Client.CompleteAsync(golden.Request));
    }
}
