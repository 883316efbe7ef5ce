using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Keys and values that are rounded when they are written.</summary>
public sealed class KvTypeTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData("q8_0")]
    [InlineData("f16")]
    public async Task Completion_InOneProcessAndOverThreeSilos_GivesOneText(string kvType)
    {
        TokenRequest request = GoldenTokens.Read(Path.Combine(TestPaths.TinyStories, "golden.json"))[0].Request;
        var texts = new List<IReadOnlyList<int>>();
        foreach (int silos in (int[])[0, 3])
        {
            using var cluster = new TestCluster(TestPaths.TinyStories, silos);
            cluster.StartGateway($"--kv-type={kvType}");
            for (int number = 1; number <= silos; number++) cluster.StartSilo(number, $"--kv-type={kvType}");
            await cluster.ReadyAsync();
            texts.Add(await cluster.Client.CompleteAsync(request));
        }

        Assert.NotEmpty(texts[0]);
        Assert.Equal(texts[0], texts[1]);
    }

    [Fact]
    public async Task KvType_OtherThanTheGateways_IsRefusedWithBoth()
    {
        using var cluster = new TestCluster(TestPaths.TinyStories, 1);
        cluster.StartGateway("--kv-type=q8_0");
        RunningProgram other = cluster.StartSilo(1, "--kv-type=f16");
        await other.SaysAsync("has another --kv-type: Q8_0; expected F16.", Deadline);
    }

    [Theory]
    [InlineData("Llama.Gateway", true)]
    [InlineData("Llama.Silo", false)]
    public async Task KvType_HeadsAreNotWholeBlocks_IsRefusedAtTheStart(string program, bool gateway)
    {
        using var cluster = new TestCluster(Path.Combine(TestPaths.Fixtures, "llama-3", "hf"), 0);
        RunningProgram process = gateway ? cluster.StartGateway("--kv-type=q8_0") : cluster.StartSilo(1, "--kv-type=q8_0");

        Assert.Equal(1, await process.ExitsAsync(Deadline));
        Assert.Contains(
            $"{program} cannot start: --kv-type: 'q8_0' needs a head size divisible by 32; the model's is 8; expected f32 or f16 or bf16",
            cluster.Output);
    }
}
