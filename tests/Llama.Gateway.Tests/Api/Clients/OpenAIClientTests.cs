using System.ClientModel;
using System.Net.ServerSentEvents;
using System.Text.Json;
using Llama.Gateway.Tests.Hosting;
using OpenAI;
using OpenAI.Chat;

namespace Llama.Gateway.Tests.Api.Clients;

/// <summary>The OpenAI .NET package as a client.</summary>
public sealed class OpenAIClientTests(SharedGateway shared) : IClassFixture<SharedGateway>
{
    private const string CitySchema = """{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}""";

    private readonly OpenAIClient client = ClientOf(shared.Gateway);

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    /// <summary>A client of a gateway.</summary>
    internal static OpenAIClient ClientOf(TestGateway gateway) => new(
        new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(gateway.Client.BaseAddress!, "v1") });

    [Fact]
    public async Task CompleteChat_Messages_GivesTheAnswer()
    {
        ChatCompletion answer = await client.GetChatClient("test-model").CompleteChatAsync(
            [new SystemChatMessage("Be brief."), new UserChatMessage("Hi")],
            new ChatCompletionOptions
            {
                Temperature = 0,
                MaxOutputTokenCount = 8,
                IncludeLogProbabilities = true,
                TopLogProbabilityCount = 0,
                StopSequences = { "!" },
            },
            TestContext.Current.CancellationToken);
        Assert.Equal("Hello.", answer.Content[0].Text);
        Assert.Equal(ChatMessageRole.Assistant, answer.Role);
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
        Assert.Equal(7, answer.Usage.OutputTokenCount);
        Assert.Equal(["H", "e", "l", "l", "o", ".", "token_id:257"], answer.ContentTokenLogProbabilities.Select(token => token.Token));
    }

    [Fact]
    public async Task CompleteChat_AnswerInTheHistoryAndEveryNeutralOption_IsTaken()
    {
        var token = TestContext.Current.CancellationToken;
        var chat = client.GetChatClient("test-model");
        ChatCompletion first = await chat.CompleteChatAsync([new UserChatMessage("Hi")], cancellationToken: token);
        ChatCompletion second = await chat.CompleteChatAsync(
            [new UserChatMessage("Hi"), new AssistantChatMessage(first), new UserChatMessage("Ho")],
            new ChatCompletionOptions
            {
                FrequencyPenalty = 0,
                PresencePenalty = 0,
                TopP = 1,
                ResponseFormat = ChatResponseFormat.CreateTextFormat(),
                ToolChoice = ChatToolChoice.CreateAutoChoice(),
                AllowParallelToolCalls = true,
                EndUserId = "me",
                StoredOutputEnabled = false,
                Metadata = { ["a"] = "b" },
            },
            token);
        Assert.Equal("Hello.", second.Content[0].Text);
    }

    [Fact]
    public async Task CompleteChatStreaming_Messages_GivesTheAnswerInParts()
    {
        var updates = new List<StreamingChatCompletionUpdate>();
        await foreach (var update in client.GetChatClient("test-model").CompleteChatStreamingAsync(
            [new UserChatMessage("Hi")], new ChatCompletionOptions { MaxOutputTokenCount = 5 }, TestContext.Current.CancellationToken))
        {
            updates.Add(update);
        }

        Assert.Equal(ChatMessageRole.Assistant, updates[0].Role);
        Assert.Equal(["H", "e", "l", "l", "o"], updates.SelectMany(update => update.ContentUpdate).Select(part => part.Text));
        Assert.Equal(ChatFinishReason.Length, Assert.Single(updates, update => update.FinishReason is not null).FinishReason);
        Assert.Equal(5, updates[^1].Usage.OutputTokenCount);
    }

    [Fact]
    public async Task CompleteChat_UnknownModel_ThrowsWithTheMessage()
    {
        var exception = await Assert.ThrowsAsync<ClientResultException>(() => client.GetChatClient("gpt-4").CompleteChatAsync(
            [new UserChatMessage("Hi")], cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal(404, exception.Status);
        Assert.Contains("'gpt-4' is not served here", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GetModels_List_NamesTheModel()
    {
        var models = await client.GetOpenAIModelClient().GetModelsAsync(TestContext.Current.CancellationToken);
        Assert.Equal("test-model", Assert.Single(models.Value).Id);
    }

    [Fact]
    public async Task CompleteChat_TwoRoundsWithATool_GivesTheAnswer()
    {
        await using var gateway = await WeatherGateway.StartAsync();
        var chat = ClientOf(gateway).GetChatClient("test-model");
        var options = new ChatCompletionOptions { Tools = { ChatTool.CreateFunctionTool("get_weather", "Tells the weather.", BinaryData.FromString(CitySchema)) } };
        List<ChatMessage> messages = [new UserChatMessage(WeatherGateway.Question)];

        ChatCompletion asked = await chat.CompleteChatAsync(messages, options, TestEnds);
        Assert.Equal(ChatFinishReason.ToolCalls, asked.FinishReason);
        messages.Add(new AssistantChatMessage(asked));
        foreach (var call in asked.ToolCalls)
        {
            var city = call.FunctionArguments.ToObjectFromJson<JsonElement>().GetProperty("city").GetString()!;
            messages.Add(new ToolChatMessage(call.Id, WeatherGateway.Weather(city)));
        }

        ChatCompletion told = await chat.CompleteChatAsync(messages, options, TestEnds);
        Assert.Equal(WeatherGateway.Answer, told.Content[0].Text);
    }

    [Fact]
    public async Task CompleteChat_SchemaForTheAnswer_IsFollowed()
    {
        await using var gateway = await WeatherGateway.StartAsync();
        ChatCompletion answer = await ClientOf(gateway).GetChatClient("test-model").CompleteChatAsync(
            [new UserChatMessage("Hi")],
            new ChatCompletionOptions { ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("place", BinaryData.FromString(CitySchema), jsonSchemaIsStrict: true) },
            TestEnds);
        Assert.Equal("Köln", JsonElement.Parse(answer.Content[0].Text).GetProperty("city").GetString());
        Assert.NotNull(gateway.Grain.Single.Grammar);
    }

    [Fact]
    public async Task GenerateEmbeddings_Texts_GivesAVectorEach()
    {
        var vectors = await client.GetEmbeddingClient("test-model").GenerateEmbeddingsAsync(["Hi", "You"], cancellationToken: TestEnds);
        Assert.Equal([[3, 105, 0.5f], [4, 117, 0.5f]], vectors.Value.Select(vector => vector.ToFloats().ToArray()));
    }

    // The package keeps its client of legacy completions to itself, so these go through its pipeline.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Completion_Prompt_GivesTheText(bool stream)
    {
        using var message = client.Pipeline.CreateMessage();
        message.Request.Method = "POST";
        message.Request.Uri = new Uri(shared.Gateway.Client.BaseAddress!, "v1/completions");
        message.Request.Headers.Set("Content-Type", "application/json");
        message.Request.Content = BinaryContent.Create(BinaryData.FromObjectAsJson(new { model = "test-model", prompt = "Hi", stream }));
        message.BufferResponse = !stream;
        await client.Pipeline.SendAsync(message);
        Assert.Equal(200, message.Response!.Status);
        var bodies = stream
            ? SseParser.Create(message.Response.ContentStream!).Enumerate().Select(item => item.Data).TakeWhile(data => data != "[DONE]")
            : [message.Response.Content.ToString()];
        var text = string.Concat(bodies.Select(body => JsonElement.Parse(body).GetProperty("choices")[0].GetProperty("text").GetString()));
        Assert.Equal("Hello.", text);
    }
}
