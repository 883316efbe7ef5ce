using System.Diagnostics;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Silos that compute in libtorch, whose plug-in lies beside the programs here.</summary>
public sealed class TorchTests
{
    private const string Torch = "--devices=torch:cpu";

    /// <summary>As the reference computed: libtorch multiplies weights of fewer bits with inputs of as few.</summary>
    private const string Weights = "--weights=f32";

    private static readonly GoldenTokens Golden = GoldenTokens.Read(Path.Combine(TestPaths.TinyStories, "golden.json"))[0];

    /// <summary>In both profiles; in the second the prompt is computed in a pass of 256 rows, and what follows it in passes of 32.</summary>
    [Theory]
    [InlineData("torch:cpu", "same-bits")]
    [InlineData("torch:cpu:same-steps", "same-steps")]
    public async Task Stream_SiloKilled_GoesOnWithTheSameTokens(string device, string promise)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The Torch backend runs on Linux only.");
        string devices = $"--devices={device}";
        using var cluster = new TestCluster(TestPaths.TinyStories, 2);
        cluster.StartGateway(Weights, "--step-tokens=144");
        cluster.StartSilo(1, devices, Weights);
        RunningProgram second = cluster.StartSilo(2, devices, Weights);
        await cluster.ReadyAsync();
        PipelineStatus pipeline = (await cluster.Client.StatusAsync()).Pipelines[0];
        Assert.Equal(2, pipeline.Stages.Count);
        Assert.StartsWith($"torch-2-cpu-script-{promise}/", pipeline.Profile, StringComparison.Ordinal);

        int[] story = [.. Golden.Request.Prompt, .. Golden.Greedy];
        TokenRequest request = Golden.Request with
        {
            Prompt = [.. Enumerable.Range(0, 150).Select(i => story[i % story.Length])], MaxTokens = 60, Temperature = 1, Seed = 3,
        };
        IReadOnlyList<int> undisturbed = await cluster.Client.CompleteAsync(request);
        var tokens = new List<int>();
        await foreach (IReadOnlyList<int> part in cluster.Client.StreamAsync(request, TestContext.Current.CancellationToken))
        {
            tokens.AddRange(part);
            if (tokens.Count != 10) continue;
            using var process = Process.GetProcessById(second.Id);
            process.Kill();
            cluster.StartSilo(3, devices, Weights);
        }

        Assert.Equal(undisturbed, tokens);
        Assert.DoesNotContain("silo-2", (await cluster.Client.StagesAsync()).Select(stage => stage.Silo));
    }

    [Fact]
    public async Task Pipelines_SilosOfTwoKinds_AreReplicasAndNeverShareOne()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The Torch backend runs on Linux only.");
        using var cluster = new TestCluster(TestPaths.TinyStories, 2);
        cluster.StartGateway("--replicas=2", Weights);
        cluster.StartSilo(1, Torch, Weights);
        cluster.StartSilo(2, Weights);
        await cluster.ReadyAsync();
        await Wait.UntilAsync(
            "both replicas serve", TimeSpan.FromSeconds(30),
            async () => (await cluster.Client.StatusAsync()).Pipelines.Count(pipeline => pipeline.Stages.Count == 1) == 2, () => cluster.Output);

        Dictionary<string, string> profiles = (await cluster.Client.StatusAsync()).Pipelines.ToDictionary(
            pipeline => pipeline.Stages[0].Silo, pipeline => pipeline.Profile!);
        Assert.StartsWith("torch-2-cpu-script-same-bits/", profiles["silo-1"], StringComparison.Ordinal);
        Assert.StartsWith("cpu-", profiles["silo-2"], StringComparison.Ordinal);
        Assert.Equal(Golden.Greedy, await cluster.Client.CompleteAsync(Golden.Request));
    }

    [Fact]
    public async Task Silo_FolderWithoutTheBackend_SaysWhatToDo()
    {
        using var cluster = new TestCluster(TestPaths.TinyStories, 1);
        RunningProgram silo = cluster.StartSilo(1, Torch, $"--torch={TestPaths.TinyStories}");
        Assert.Equal(1, await silo.ExitsAsync(TimeSpan.FromSeconds(30)));
        Assert.Contains($"Llama.Silo cannot start: {TestPaths.TinyStories} has no Llama.Torch.dll: publish src/Llama.Torch", silo.Output);
    }
}
