using System.ClientModel;
using System.ClientModel.Primitives;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using Llama.Cluster.Tests.Clients;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Gateway;
using Llama.Tests;
using OpenAI;
using OpenAI.Chat;

namespace Llama.Cluster.Tests;

/// <summary>What a new user gets: AppHost without an option but the port.</summary>
[Collection(SharedAppHost.Name)]
public sealed class ShippedModelTests(SharedAppHost shared) : IDisposable
{
    private const string Model = "tinystories";
    private readonly RunningAppHost appHost = shared.AppHost;

    public void Dispose() => TestContext.Current.TestOutputHelper?.WriteLine(appHost.Output);

    [Fact]
    public void Start_Ready_SaysWhereToGo()
    {
        string address = appHost.Client.Http.BaseAddress!.ToString().TrimEnd('/');
        Assert.Contains($"Web page         {address}/\n", appHost.Output);
        Assert.Contains($"OpenAI base URL  {address}/v1\n", appHost.Output);
        Assert.Contains($"curl {address}/v1/chat/completions ", appHost.Output);
        Assert.Contains("Dashboard        http://127.0.0.1:", appHost.Output);
        Assert.DoesNotContain("warn", appHost.Output);
    }

    [Fact]
    public async Task Status_Ready_HalfOfTheLayersInEachOfTwoProcesses()
    {
        (int health, string body) = await appHost.Client.HealthAsync();
        Assert.Equal(200, health);
        Assert.Equal(Model, JsonElement.Parse(body).GetProperty("model").GetString());

        ClusterStatus status = await appHost.Client.StatusAsync();
        Assert.Equal(Model, status.Model);
        Assert.Empty(status.Standby);
        IReadOnlyList<StageStatus> stages = Assert.Single(status.Pipelines).Stages;
        Assert.Equal(["silo-1", "silo-2"], stages.Select(stage => stage.Silo));
        Assert.Equal([[0, 3], [3, 6]], stages.Select(stage => stage.Layers));
        Assert.All(stages, stage => Assert.Equal("ready", stage.State));
        Assert.All(stages, stage => Assert.InRange(stage.WeightBytes, 1_000_000, 2_000_000));
        Assert.SkipUnless(ProcessTable.IsThere, "needs /proc");
        IReadOnlyList<int> processes = ProcessTable.OfAppHost(appHost.Id);
        Assert.All(stages, stage => Assert.Contains(stage.ProcessId, processes));
    }

    [Fact]
    public async Task Completion_GoldenPrompts_GivesTheGreedyTokens()
    {
        foreach (GoldenTokens golden in GoldenTokens.Read(Path.Combine(TestPaths.TinyStories, "golden.json")))
            Assert.Equal(golden.Greedy, await appHost.Client.CompleteAsync(golden.Request));
    }

    [Fact]
    public async Task OpenAIClient_Chat_Streams()
    {
        var updates = new List<StreamingChatCompletionUpdate>();
        await foreach (StreamingChatCompletionUpdate update in OpenAI().GetChatClient(Model).CompleteChatStreamingAsync(
            [new UserChatMessage("Once upon a time")],
            new ChatCompletionOptions { Temperature = 0, MaxOutputTokenCount = 40 },
            TestContext.Current.CancellationToken))
        {
            updates.Add(update);
        }

        string text = string.Concat(updates.SelectMany(update => update.ContentUpdate).Select(part => part.Text));
        ChatCompletion whole = await OpenAI().GetChatClient(Model).CompleteChatAsync(
            [new UserChatMessage("Once upon a time")],
            new ChatCompletionOptions { Temperature = 0, MaxOutputTokenCount = 40 },
            TestContext.Current.CancellationToken);
        Assert.Equal(whole.Content[0].Text, text);
        Assert.InRange(text.Length, 20, 400);
        Assert.InRange(updates.Count, 10, 50);
        Assert.Equal(whole.FinishReason, Assert.Single(updates, update => update.FinishReason is not null).FinishReason);
        Assert.Equal(whole.Usage.OutputTokenCount, updates[^1].Usage.OutputTokenCount);
    }

    // The package keeps its client of completions to itself, so these go through its pipeline.
    [Fact]
    public async Task OpenAIClient_Completion_StreamsTheGoldenText()
    {
        JsonElement golden = JsonElement.Parse(await File.ReadAllTextAsync(
            Path.Combine(TestPaths.TinyStories, "golden.json"), TestContext.Current.CancellationToken))[0];
        ClientPipeline pipeline = OpenAI().Pipeline;
        using PipelineMessage message = pipeline.CreateMessage();
        message.Request.Method = "POST";
        message.Request.Uri = new Uri(appHost.Client.Http.BaseAddress!, "v1/completions");
        message.Request.Headers.Set("Content-Type", "application/json");
        message.Request.Content = BinaryContent.Create(BinaryData.FromObjectAsJson(
            new { model = Model, prompt = golden.GetProperty("prompt").GetString(), stream = true, temperature = 0, max_tokens = 60 }));
        message.BufferResponse = false;
        await pipeline.SendAsync(message);

        Assert.Equal(200, message.Response!.Status);
        var text = new StringBuilder();
        SseParser<string> events = SseParser.Create(message.Response.ContentStream!);
        await foreach (SseItem<string> item in events.EnumerateAsync(TestContext.Current.CancellationToken))
        {
            if (item.Data == "[DONE]") break;
            text.Append(JsonElement.Parse(item.Data).GetProperty("choices")[0].GetProperty("text").GetString());
        }

        Assert.Equal(golden.GetProperty("text").GetString(), text.ToString());
    }

    [Fact]
    public async Task Page_Root_IsServed()
    {
        using HttpResponseMessage response = await appHost.Client.Http.GetAsync(
            new Uri("/", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal("text/html", response.Content.Headers.ContentType!.MediaType);
        Assert.Contains("id=\"generate\"", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    private OpenAIClient OpenAI() => new(
        new ApiKeyCredential("none"),
        new OpenAIClientOptions
        {
            Endpoint = new Uri(appHost.Client.Http.BaseAddress!, "v1"),
            Transport = new HttpClientPipelineTransport(appHost.Client.Http),
        });
}
