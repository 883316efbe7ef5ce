using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Every member of the family, in both formats, by token ids: these checkpoints have no tokenizer.</summary>
public sealed class FixtureTests
{
    /// <summary>Meta's format over two silos, Hugging Face's in a gateway that serves alone.</summary>
    public static TheoryData<string, string, int> Checkpoints
    {
        get
        {
            var data = new TheoryData<string, string, int>();
            foreach (string folder in Directory.EnumerateDirectories(TestPaths.Fixtures).Order(StringComparer.Ordinal))
            {
                bool meta = Directory.Exists(Path.Combine(folder, "meta"));
                string name = Path.GetFileName(folder);
                if (meta) data.Add(name, "meta", 2);
                data.Add(name, "hf", meta ? 0 : 2);
            }

            Assert.Equal(12, data.Count);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public async Task Completion_TokenIds_GivesTheGreedyTokens(string name, string layout, int silos)
    {
        string folder = Path.Combine(TestPaths.Fixtures, name);
        GoldenTokens golden = Assert.Single(GoldenTokens.Read(Path.Combine(folder, "golden.json")));
        using TestCluster cluster = await TestCluster.StartAsync(Path.Combine(folder, layout), silos);

        Assert.Equal(golden.Greedy, await cluster.Client.CompleteAsync(golden.Request));
    }
}
