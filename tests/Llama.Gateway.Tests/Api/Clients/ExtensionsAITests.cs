using Llama.Gateway.Tests.Hosting;
using Microsoft.Extensions.AI;
using OpenAI;

namespace Llama.Gateway.Tests.Api.Clients;

/// <summary>Microsoft.Extensions.AI over the OpenAI .NET package as a client.</summary>
public sealed class ExtensionsAITests
{
    private static readonly AIFunction Weather = AIFunctionFactory.Create(WeatherGateway.Weather, "get_weather", "Tells the weather.");

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task UseFunctionInvocation_TwoRoundsWithATool_GivesTheAnswer(bool streams)
    {
        await using TestGateway gateway = await WeatherGateway.StartAsync();
        using IChatClient client = ClientOf(gateway).AsBuilder().UseFunctionInvocation().Build();
        var options = new ChatOptions { Tools = [Weather], Seed = 5, Temperature = 0, MaxOutputTokens = 200 };

        ChatResponse answer = streams
            ? await client.GetStreamingResponseAsync(WeatherGateway.Question, options, TestEnds).ToChatResponseAsync(TestEnds)
            : await client.GetResponseAsync(WeatherGateway.Question, options, TestEnds);

        Assert.Equal(WeatherGateway.Answer, answer.Text);
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
        Assert.Equal(2, gateway.Grain.Requests.Count);
    }

    [Fact]
    public async Task GetResponse_OfAType_FollowsItsSchema()
    {
        await using TestGateway gateway = await WeatherGateway.StartAsync();
        using IChatClient client = ClientOf(gateway);

        ChatResponse<Place> answer = await client.GetResponseAsync<Place>("Hi", cancellationToken: TestEnds);

        Assert.Equal(new Place("Köln", 17), answer.Result);
        Assert.NotNull(gateway.Grain.Single.Grammar);
    }

    [Fact]
    public async Task Generate_Texts_GivesAVectorEach()
    {
        await using TestGateway gateway = await WeatherGateway.StartAsync();
        using IEmbeddingGenerator<string, Embedding<float>> generator =
            OpenAIClientTests.ClientOf(gateway).GetEmbeddingClient("test-model").AsIEmbeddingGenerator();

        var vectors = await generator.GenerateAsync(["Hi", "You"], cancellationToken: TestEnds);

        Assert.Equal([[3, 105, 0.5f], [4, 117, 0.5f]], vectors.Select(vector => vector.Vector.ToArray()));
    }

    private static IChatClient ClientOf(TestGateway gateway) => OpenAIClientTests.ClientOf(gateway).GetChatClient("test-model").AsIChatClient();

    private sealed record Place(string City, int Degrees);
}
