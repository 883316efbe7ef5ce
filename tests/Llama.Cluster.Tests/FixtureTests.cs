using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Every member of the family, in both formats, by token ids: these checkpoints have no tokenizer.</summary>
public sealed class FixtureTests
{
    /// <summary>
    /// Those that are read in ways of their own when their layers are divided: a checkpoint in shards, one with scaled frequencies, and one
    /// whose first and last stage share the embeddings. The others are served by a gateway alone, which divides nothing.
    /// </summary>
    private static readonly string[] Divided = ["llama-1/meta", "llama-3.1/meta", "llama-3.2-tied/hf"];

    public static TheoryData<string, string, int> Checkpoints
    {
        get
        {
            var data = new TheoryData<string, string, int>();
            foreach (string folder in Directory.EnumerateDirectories(TestPaths.Fixtures).Order(StringComparer.Ordinal))
            {
                string name = Path.GetFileName(folder);
                foreach (string layout in (string[])["meta", "hf"])
                {
                    if (Directory.Exists(Path.Combine(folder, layout))) data.Add(name, layout, Divided.Contains($"{name}/{layout}") ? 2 : 0);
                }
            }

            Assert.Equal(12, data.Count);
            Assert.Equal(Divided.Length, data.Count(row => row.Data.Item3 > 0));
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
