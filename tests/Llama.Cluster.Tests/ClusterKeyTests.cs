using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Who may join a cluster: a silo with its key and its model.</summary>
public sealed class ClusterKeyTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private static readonly string Llama1 = Path.Combine(TestPaths.Fixtures, "llama-1");

    [Fact]
    public async Task Join_OnlyRightKeyAndModel_OthersAreToldWhy()
    {
        using var folder = new TemporaryFolder();
        string right = await KeyFileAsync(folder, "right", "the key of this cluster");
        string wrong = await KeyFileAsync(folder, "wrong", "the key of another one");
        using var cluster = new TestCluster(Path.Combine(Llama1, "meta"), 1);
        cluster.StartGateway(right);

        cluster.StartSilo(1, wrong);
        cluster.StartSilo(2);
        cluster.StartStrangerSilo(3, Path.Combine(TestPaths.Fixtures, "code-llama", "meta"), right);
        cluster.StartSilo(5, right, "--context=100");
        await Wait.UntilAsync(
            "the gateway listens", Deadline, async () => (await cluster.Client.HealthAsync()).Status == 503, () => cluster.Output);
        string[] refused = [];
        await Wait.UntilAsync(
            "strangers are refused by name", Deadline,
            async () => (refused = [.. (await cluster.Client.PlanAsync()).Refused.Order(StringComparer.Ordinal)]).Length == 2, () => string.Join('\n', refused) + cluster.Output);
        Assert.StartsWith("Silo silo-3 is refused: ", refused[0], StringComparison.Ordinal);
        Assert.Contains("another model, or another --rope-factor: fingerprint ", refused[0], StringComparison.Ordinal);
        Assert.StartsWith("Silo silo-5 is refused: ", refused[1], StringComparison.Ordinal);
        Assert.Contains("another --context: ", refused[1], StringComparison.Ordinal);
        Assert.Equal(503, (await cluster.Client.HealthAsync()).Status);

        // With another key a silo is none of this cluster, and disturbs nobody.
        await cluster.Gateway.SaysAsync(") is no member of this cluster: it has another cluster key", Deadline);

        cluster.StartSilo(4, right);
        await cluster.ReadyAsync();

        ClusterStatus status = await cluster.Client.StatusAsync();
        Assert.Equal("silo-4", Assert.Single(Assert.Single(status.Pipelines).Stages).Silo);
        Assert.Empty(status.Standby);
        GoldenTokens golden = Assert.Single(GoldenTokens.Read(Path.Combine(Llama1, "golden.json")));
        Assert.Equal(golden.Greedy, await cluster.Client.CompleteAsync(golden.Request));
    }

    private static async Task<string> KeyFileAsync(TemporaryFolder folder, string name, string key)
    {
        await File.WriteAllTextAsync(folder[name], key + "\n", TestContext.Current.CancellationToken);
        return $"--cluster-key-file={folder[name]}";
    }
}
