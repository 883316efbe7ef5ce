using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Llama.Client;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Hosting;
using Llama.Tests;
using Microsoft.Extensions.AI;

namespace Llama.Cluster.Tests;

/// <summary>Fronts: processes without the model that serve what the gateways of a cluster own.</summary>
[Collection(TimedTests.Name)]
public sealed partial class FrontTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly int[] Prompt = [.. GoldenTokens.Read(Path.Combine(TestPaths.TinyStories, "golden.json"))[0].Prompt];

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Answers_ThroughAFrontThatWasThereFirst_AreThoseOfTheGateway()
    {
        using var cluster = new TestCluster(TestPaths.TinyStories, 2);
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder["key"], "the key of another cluster\n", TestEnds);
        (int port, int strangersPort) = (FreePort.Choose(), FreePort.Choose());
        cluster.StartFront(1, port);
        cluster.StartFront(2, strangersPort, $"--cluster-key-file={folder["key"]}");
        using var front = new GatewayClient(port);
        using var stranger = new GatewayClient(strangersPort);
        await UnavailableAsync(cluster, front, "No gateway silo of the cluster can be reached: no silo that takes clients is in the membership document");
        (int status, TimeSpan? retryAfter) = await AskAsync(front);
        Assert.Equal(503, status);
        Assert.Equal(TimeSpan.FromSeconds(1), retryAfter);

        cluster.StartGateway();
        cluster.StartSilo(1);
        cluster.StartSilo(2);
        await cluster.ReadyAsync();
        await front.ReadyAsync(() => cluster.Output);
        await UnavailableAsync(cluster, stranger, "is no member of this client's cluster: it has another cluster key");

        foreach ((string path, object body) in Requests())
        {
            string expected = await AnswerAsync(cluster.Client, path, body);
            Assert.StartsWith("200 ", expected, StringComparison.Ordinal);
            Assert.Equal(expected, await AnswerAsync(front, path, body));
        }

        foreach (string path in (string[])["/", "/v1/models", "/cluster/plan", "/v1/models/another", "/nothing"])
        {
            string own = await AnswerAsync(cluster.Client, path, null);
            Assert.Equal(own, await AnswerAsync(front, path, null));
        }

        // Operators use any of them.
        using HttpResponseMessage moved = await front.Http.PostAsync(new Uri("/cluster/drain/silo-9", UriKind.Relative), null, TestEnds);
        Assert.Equal(404, (int)moved.StatusCode);
        Assert.Contains("silo-9", await moved.Content.ReadAsStringAsync(TestEnds), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kill_GatewaysAndFrontsOneAfterTheOther_StreamsGoOn()
    {
        Assert.SkipUnless(ProcessTable.IsThere, "needs signals and /proc");
        using var cluster = new TestCluster(TestPaths.TinyStories, 2);
        RunningProgram[] gateways = [cluster.StartGateway("--name=gateway-1"), cluster.StartGateway("--name=gateway-2", $"--port={FreePort.Choose()}")];
        cluster.StartSilo(1);
        cluster.StartSilo(2);
        (int port, int otherPort) = (FreePort.Choose(), FreePort.Choose());
        Uri[] rpc = [new($"http://127.0.0.1:{FreePort.Choose()}"), new($"http://127.0.0.1:{FreePort.Choose()}")];
        RunningProgram first = cluster.StartFront(1, port, $"--grpc-port={rpc[0].Port}");
        cluster.StartFront(2, otherPort, $"--grpc-port={rpc[1].Port}");
        using var front = new GatewayClient(port);
        using var other = new GatewayClient(otherPort);
        await front.ReadyAsync(() => cluster.Output);
        await other.ReadyAsync(() => cluster.Output);
        TokenRequest[] requests = TokenRequest.GreedyAndSeeded();
        var undisturbed = new Streams(front, requests);
        await undisturbed.EndedAsync();

        // Another gateway takes over.
        await first.SaysAsync(" owns the pipelines", Deadline);
        int owner = OwnerName().Matches(first.Output)[^1].Groups[1].Value == "1" ? 0 : 1;
        await GoesOnAsync("the owner of two", () => ProcessTable.Signal(gateways[owner].Id, "KILL"));

        // Nobody does, until one is started again.
        await GoesOnAsync("the only one", () =>
        {
            ProcessTable.Signal(gateways[1 - owner].Id, "KILL");
            cluster.StartGateway("--name=gateway-3", $"--port={FreePort.Choose()}");
        });

        // A client whose front is gone asks another with the same key; Llama.Client does so by itself.
        var whole = new KeyedAnswer();
        await whole.ReadAsync(other, "another", Prompt);
        using var chat = new LlamaChatClient(new() { Addresses = rpc });
        var seeded = new ChatOptions { Seed = 7, MaxOutputTokens = 200, AdditionalProperties = new() { ["ignore_eos"] = true } };
        string story = (await chat.GetResponseAsync("Tell me a story.", seeded, TestEnds)).Text;
        using KeptRecords kept = await KeptRecords.ConnectAsync(cluster);
        var broken = new KeyedAnswer();
        RunningProgram lastStage = cluster.Silo(2);
        await using IAsyncEnumerator<ChatResponseUpdate> updates =
            chat.GetStreamingResponseAsync("Tell me a story.", seeded, TestEnds).GetAsyncEnumerator(TestEnds);
        Assert.True(await updates.MoveNextAsync());
        var text = new StringBuilder(updates.Current.Text);
        ProcessTable.Signal(lastStage.Id, "STOP");
        Task reading = broken.ReadAsync(front, "once", Prompt);
        await kept.StopWhenKeptAsync(lastStage, "once", 60, () => cluster.Output);
        ProcessTable.Signal(first.Id, "KILL");
        ProcessTable.Signal(lastStage.Id, "CONT");
        while (await updates.MoveNextAsync()) text.Append(updates.Current.Text);
        Assert.Equal(story, text.ToString());
        await reading.WaitAsync(Deadline, TestEnds);
        Assert.False(broken.IsComplete);
        var retry = new KeyedAnswer();
        await retry.ReadAsync(other, "once", Prompt);
        Assert.True(retry.IsComplete);
        Assert.Equal(whole.Tokens, retry.Tokens);

        async Task GoesOnAsync(string what, Action kill)
        {
            Streams streams = await Streams.BegunAsync(cluster, requests, 40, front);
            kill();
            await streams.EndedAsync();
            Assert.Equal(undisturbed.Tokens, streams.Tokens);
            TestContext.Current.TestOutputHelper?.WriteLine($"{what}: {streams.LongestSilence.TotalSeconds:0.0} s without a token");
            Assert.InRange(streams.LongestSilence, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        }
    }

    /// <summary>Requests whose answers say everything that a model with a tokenizer can.</summary>
    private static IEnumerable<(string Path, object Body)> Requests()
    {
        const string text = "Once upon a time there was a “dog” – ñ 👍🏽";
        object[] messages = [new { role = "user", content = "Tell me <s> a story." }];
        yield return ("/v1/completions", new { prompt = text, max_tokens = 40, seed = 5, temperature = 1.2, logprobs = 3, return_token_ids = true });
        yield return ("/v1/completions", new { prompt = (string[])[text, "Lily"], n = 2, max_tokens = 60, seed = 7, stop = (string[])[" and", "."] });
        yield return ("/v1/completions", new { prompt = Prompt, max_tokens = 50, temperature = 0, seed = 1, ignore_eos = true });
        yield return ("/v1/completions", new { prompt = text, max_tokens = 80, seed = 2, temperature = 1.5, logprobs = 0, stop = "the", stream = true });
        yield return ("/v1/chat/completions", new { messages, max_tokens = 40, seed = 3, logprobs = true, top_logprobs = 2 });
        yield return ("/v1/chat/completions", new { messages, max_tokens = 40, seed = 4, stream = true, stream_options = new { include_usage = true } });
        yield return ("/tokenize", new { prompt = text });
        yield return ("/tokenize", new { messages });
        yield return ("/detokenize", new { tokens = Prompt });
    }

    private static async Task<string> AnswerAsync(GatewayClient client, string path, object? body)
    {
        using var request = new HttpRequestMessage(body is null ? HttpMethod.Get : HttpMethod.Post, path);
        if (body is not null) request.Content = JsonContent.Create(body);
        using HttpResponseMessage response = await client.Http.SendAsync(request, TestEnds);
        string answer = Unstable().Replace(await response.Content.ReadAsStringAsync(TestEnds), "");
        return $"{(int)response.StatusCode} {response.Content.Headers.ContentType} {answer}";
    }

    private static async Task<(int Status, TimeSpan? RetryAfter)> AskAsync(GatewayClient client)
    {
        using HttpResponseMessage response = await client.Http.PostAsJsonAsync("/v1/completions", new { prompt = "Hi" }, TestEnds);
        return ((int)response.StatusCode, response.Headers.RetryAfter?.Delta);
    }

    private static Task<TimeSpan> UnavailableAsync(TestCluster cluster, GatewayClient client, string reason) => Wait.UntilAsync(
        $"unavailable: {reason}", Deadline,
        async () => await client.HealthAsync() is (503, var body)
            && JsonElement.Parse(body).GetProperty("error").GetProperty("message").GetString()!.Contains(reason, StringComparison.Ordinal),
        () => cluster.Output);

    /// <summary>Ids and times of answers, how much of a prompt was cached, and what is measured.</summary>
    [GeneratedRegex(",\"timings\":\\{[^}]*\\}|(cmpl|chatcmpl)-[0-9a-f]{32}|\"(created|cached_tokens)\":[0-9]+|\"measured[A-Za-z]*\":[^,}\\]]+")]
    private static partial Regex Unstable();

    [GeneratedRegex("The gateway gateway-([12]) owns the pipelines")]
    private static partial Regex OwnerName();
}
