using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Weights that are quantised while they are loaded.</summary>
public sealed class WeightsTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Weights_OverTwoSilos_GiveTheTokensOfTheConvertedFileAndASiloWithOthersIsRefused()
    {
        using var folder = new TemporaryFolder();
        string file = folder["converted.gguf"];
        GgufConverter.Convert(
            TestPaths.TinyStories, ElementType.Q4_0, file, new Progress<GgufProgress>(), TestContext.Current.CancellationToken);
        GoldenTokens golden = GoldenTokens.Read(Path.Combine(TestPaths.TinyStories, "golden.json"))[0];
        using TestCluster alone = await TestCluster.StartAsync(file, 0);
        IReadOnlyList<int> expected = await alone.Client.CompleteAsync(golden.Request);

        using var cluster = new TestCluster(TestPaths.TinyStories, 2);
        cluster.StartGateway("--weights=q4_0");
        RunningProgram other = cluster.StartSilo(1, "--weights=q8_0");
        await other.SaysAsync("has other weights, or another --weights: Q4_0; expected Q8_0.", Deadline);
        cluster.StartSilo(2, "--weights=q4_0");
        cluster.StartSilo(3, "--weights=q4_0");
        await cluster.ReadyAsync();

        Assert.Equal(expected, await cluster.Client.CompleteAsync(golden.Request));
        Assert.NotEqual(golden.Greedy, expected);
    }

    [Fact]
    public async Task Weights_OfAnotherTrainingRun_AreRefused()
    {
        using var folder = new TemporaryFolder();
        string file = folder["model.gguf"], tuned = folder["tuned.gguf"];
        GgufConverter.Convert(
            TestPaths.TinyStories, ElementType.F32, file, new Progress<GgufProgress>(), TestContext.Current.CancellationToken);

        // The lowest bit of every weight in the second half of the file, which has nothing but weights.
        byte[] bytes = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);
        for (int i = bytes.Length / 8 * 4; i < bytes.Length; i += 4) bytes[i] ^= 1;
        await File.WriteAllBytesAsync(tuned, bytes, TestContext.Current.CancellationToken);
        using var cluster = new TestCluster(file, 1);
        cluster.StartGateway();

        RunningProgram other = cluster.StartStrangerSilo(1, tuned);
        await other.SaysAsync("has other weights of the same shape, from layer ", Deadline);
        cluster.StartSilo(2);
        await cluster.ReadyAsync();

        GoldenTokens golden = GoldenTokens.Read(Path.Combine(TestPaths.TinyStories, "golden.json"))[0];
        Assert.Equal(golden.Greedy, await cluster.Client.CompleteAsync(golden.Request));
    }

    [Fact]
    public async Task Weights_OfAQuantizedFile_AreRefused()
    {
        using var folder = new TemporaryFolder();
        string file = folder["converted.gguf"];
        GgufConverter.Convert(
            TestPaths.TinyStories, ElementType.Q8_0, file, new Progress<GgufProgress>(), TestContext.Current.CancellationToken);
        using var cluster = new TestCluster(file, 0);
        RunningProgram gateway = cluster.StartGateway("--weights=q4_0");

        Assert.Equal(1, await gateway.ExitsAsync(Deadline));
        Assert.Contains("Llama.Gateway cannot start: " + file + ": the weights are stored as Q8_0", cluster.Output);
    }
}
