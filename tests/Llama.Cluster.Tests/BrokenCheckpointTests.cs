using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Checkpoints with damaged or missing files: the fault is named, and nothing crashes.</summary>
public sealed class BrokenCheckpointTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private static readonly string Llama1 = Path.Combine(TestPaths.Fixtures, "llama-1");

    [Theory]
    [InlineData("meta", "consolidated.01.pth")]
    [InlineData("hf", "model-00002-of-00002.safetensors")]
    public async Task Load_FileCutOff_HealthNamesItAndAWholeFileIsTakenUp(string layout, string file)
    {
        using var model = TemporaryFolder.CopyOf(Path.Combine(Llama1, layout));
        byte[] whole = await File.ReadAllBytesAsync(model[file], TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(model[file], whole[..(whole.Length / 2)], TestContext.Current.CancellationToken);
        using var cluster = new TestCluster(model.Path, 0);
        cluster.StartGateway();

        await AssertUnhealthyAsync(cluster, model[file]);

        // Beside the damaged file, then in its place: nobody sees half of it.
        await File.WriteAllBytesAsync(model["whole"], whole, TestContext.Current.CancellationToken);
        File.Move(model["whole"], model[file], overwrite: true);
        await cluster.ReadyAsync();
        GoldenTokens golden = Assert.Single(GoldenTokens.Read(Path.Combine(Llama1, "golden.json")));
        Assert.Equal(golden.Greedy, await cluster.Client.CompleteAsync(golden.Request));
    }

    [Fact]
    public async Task Load_FileMissing_HealthNamesItAndItsTensor()
    {
        const string file = "model-00002-of-00002.safetensors";
        using var model = TemporaryFolder.CopyOf(Path.Combine(Llama1, "hf"));
        File.Delete(model[file]);
        using var cluster = new TestCluster(model.Path, 1);
        cluster.StartGateway();
        cluster.StartSilo(1);

        await AssertUnhealthyAsync(cluster, model[file]);
        Assert.Contains("needed for tensor model.layers.", (await cluster.Client.HealthAsync()).Body);
    }

    /// <summary>The gateway listens before it has read all of its model: who asks meanwhile gets an answer, or none, and no trace in the log.</summary>
    [Fact]
    public async Task Start_TokenizerOfNoUse_GatewayNamesItAndProbesLeaveNothingInItsLog()
    {
        using var model = TemporaryFolder.CopyOf(TestPaths.TinyStories);
        model.Write("tokenizer.model", "nothing of use");
        using var cluster = new TestCluster(model.Path, 0);
        RunningProgram gateway = cluster.StartGateway();
        Task<int> exit = gateway.ExitsAsync(Deadline);
        Task[] probes = [.. Enumerable.Range(0, 4).Select(async _ =>
        {
            while (!exit.IsCompleted) await cluster.Client.HealthAsync();
        })];

        Assert.Equal(1, await exit);
        await Task.WhenAll(probes);
        Assert.Contains("Llama.Gateway cannot start: ", cluster.Output, StringComparison.Ordinal);
        Assert.Contains(model["tokenizer.model"], cluster.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("fail:", cluster.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", cluster.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_ShardMissing_GatewayNamesIt()
    {
        using var model = TemporaryFolder.CopyOf(Path.Combine(Llama1, "meta"));
        File.Delete(model["consolidated.01.pth"]);
        using var cluster = new TestCluster(model.Path, 0);
        RunningProgram gateway = cluster.StartGateway();

        Assert.Equal(1, await gateway.ExitsAsync(Deadline));
        Assert.Contains($"gateway | Llama.Gateway cannot start: {model.Path}: consolidated.01.pth is missing", cluster.Output);
        Assert.DoesNotContain("   at ", cluster.Output);
    }

    private static async Task AssertUnhealthyAsync(TestCluster cluster, string file)
    {
        await Wait.UntilAsync(
            $"GET /health names {file}",
            Deadline,
            async () => await cluster.Client.HealthAsync() is (503, string body) && body.Contains(file, StringComparison.Ordinal),
            () => cluster.Output);
        Assert.Contains(file, (await cluster.Client.StatusAsync()).Reason);
        Assert.DoesNotContain("   at ", cluster.Output);
    }
}
