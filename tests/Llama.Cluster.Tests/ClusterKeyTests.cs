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

        RunningProgram other = cluster.StartSilo(1, wrong);
        RunningProgram none = cluster.StartSilo(2);
        RunningProgram stranger = cluster.StartStrangerSilo(3, Path.Combine(TestPaths.Fixtures, "code-llama", "meta"), right);
        await other.SaysAsync("Not joined to ", Deadline);
        await other.SaysAsync("'gateway' did not prove that it has this cluster's key.", Deadline);
        await none.SaysAsync("'gateway' did not prove that it has this cluster's key.", Deadline);
        await stranger.SaysAsync("'silo-3' has another model, or another --rope-factor: fingerprint ", Deadline);
        RunningProgram shorter = cluster.StartSilo(5, right, "--context=100");
        await shorter.SaysAsync("'silo-5' has another --context: 100 tokens; expected ", Deadline);
        Assert.Equal(503, (await cluster.Client.HealthAsync()).Status);

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
