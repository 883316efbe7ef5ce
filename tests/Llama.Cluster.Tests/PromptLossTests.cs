using System.Net.Http.Json;
using System.Text.Json;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>A stage is lost while vectors and log-probabilities of prompts are computed: they have the same values.</summary>
public sealed class PromptLossTests
{
    private const int PromptTokens = 240;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    /// <summary>The first is answered long before the others, which are many steps each.</summary>
    private static readonly (string Path, object Request, string Values)[] Requests =
    [
        ("/v1/completions", new { prompt = Prompt(0), max_tokens = 1, seed = 5, prompt_logprobs = 1 }, "choices"),
        ("/v1/completions", new { prompt = Prompts(12), max_tokens = 2, seed = 5, prompt_logprobs = 2 }, "choices"),
        ("/v1/completions", new { prompt = Prompts(12), max_tokens = 2, seed = 5, logprobs = 1, echo = true }, "choices"),
        ("/v1/embeddings", new { input = Prompts(48) }, "data"),
        ("/v1/embeddings", new { input = Prompts(24), pooling = "last" }, "data"),
    ];

    public PromptLossTests() => Assert.SkipUnless(ProcessTable.IsThere, "needs signals and /proc");

    [Fact]
    public async Task Kill_SiloInTheMiddleOfPrompts_TheirVectorsAndLogProbabilitiesHaveTheSameBits()
    {
        using TestCluster cluster = await TestCluster.StartAsync(TestPaths.TinyStories, 2);
        cluster.StartSilo(3);
        await Wait.UntilAsync(
            "a silo stands by", Deadline, async () => (await cluster.Client.StatusAsync()).Standby.Contains("silo-3"), () => cluster.Output);
        string[] undisturbed = await Task.WhenAll(Requests.Select(request => AskAsync(cluster.Client, request)));

        // It computes in short spells until the first is answered.
        StageStatus victim = (await cluster.Client.StagesAsync())[1];
        ProcessTable.Signal(victim.ProcessId, "STOP");
        Task<string>[] answers = [.. Requests.Select(request => AskAsync(cluster.Client, request))];
        await Wait.UntilAsync(
            "the first is answered", Deadline,
            async () =>
            {
                await ProcessTable.RunForASpellAsync(victim.ProcessId);
                return answers[0].IsCompleted;
            },
            () => cluster.Output);
        Assert.All(answers[1..], answer => Assert.False(answer.IsCompleted));
        ProcessTable.Signal(victim.ProcessId, "KILL");

        Assert.Equal(undisturbed, await Task.WhenAll(answers));
        Assert.Equal(["silo-1", "silo-3"], (await cluster.Client.StagesAsync()).Select(stage => stage.Silo));
    }

    private static int[][] Prompts(int count) => [.. Enumerable.Range(1, count).Select(Prompt)];

    private static int[] Prompt(int number) => [1, .. Enumerable.Range(0, PromptTokens - 1).Select(position => 3 + (((position * 7) + (number * 31)) % 500))];

    private static async Task<string> AskAsync(GatewayClient client, (string Path, object Request, string Values) asked)
    {
        using HttpResponseMessage response = await client.Http.PostAsJsonAsync(asked.Path, asked.Request, TestContext.Current.CancellationToken);
        string body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.IsSuccessStatusCode, body);
        return JsonElement.Parse(body).GetProperty(asked.Values).GetRawText();
    }
}
