using Llama.Bench.Processes;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Silos whose machines have nothing but the layers that <c>copy</c> brought there.</summary>
public sealed class CopyTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly TemporaryFolder folder = new();

    /// <inheritdoc/>
    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Cluster_OfPartialCopies_GivesTheGoldenTokens(bool gguf)
    {
        string model = TestPaths.TinyStories;
        GoldenTokens golden = GoldenTokens.Read(Path.Combine(model, "golden.json"))[0];
        if (gguf)
        {
            model = folder["model.gguf"];
            GgufConverter.Convert(
                TestPaths.TinyStories, ElementType.F32, model, new Progress<GgufProgress>(), TestContext.Current.CancellationToken);
        }

        string first = await CopyAsync(model, "0-2"), second = await CopyAsync(model, "2-6");
        using var cluster = new TestCluster(first, 2);
        cluster.StartGateway("--ranges=0-2,2-6");
        cluster.StartSilo(1);
        cluster.StartSilo(2, $"--model={second}");
        await cluster.ReadyAsync();
        Assert.Equal(golden.Greedy, await cluster.Client.CompleteAsync(golden.Request));
    }

    [Fact]
    public async Task Cluster_RangeThatWasNotCopied_IsNamed()
    {
        string copied = await CopyAsync(TestPaths.TinyStories, "0-2");
        using var cluster = new TestCluster(copied, 1);
        RunningProgram gateway = cluster.StartGateway();
        cluster.StartSilo(1);
        await gateway.SaysAsync("silo-1 cannot hold layers 0 to 5: ", Deadline);
        await gateway.SaysAsync("was not copied to this machine", Deadline);
    }

    private async Task<string> CopyAsync(string model, string layers)
    {
        string target = folder[layers];
        using var copy = new RunningProgram(ChildCommand.ForProgram(
            "copy", "Llama.Tool", ["copy", $"--model={model}", $"--layers={layers}", $"--out={target}"]));
        Assert.Equal(0, await copy.ExitsAsync(Deadline));
        return target;
    }
}
