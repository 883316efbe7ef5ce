using Llama.Gateway.Tests.Hosting;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Connectors.OpenAI;

namespace Llama.Gateway.Tests.Api.Clients;

/// <summary>Semantic Kernel with its connector for OpenAI as a client.</summary>
public sealed class SemanticKernelTests
{
    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task GetChatMessage_TwoRoundsWithAFunction_GivesTheAnswer(bool streams)
    {
        await using TestGateway gateway = await WeatherGateway.StartAsync();
        IKernelBuilder builder = Kernel.CreateBuilder().AddOpenAIChatCompletion("test-model", OpenAIClientTests.ClientOf(gateway));
        builder.Plugins.AddFromFunctions("home", [KernelFunctionFactory.CreateFromMethod(WeatherGateway.Weather, "get_weather", "Tells the weather.")]);
        Kernel kernel = builder.Build();
        var settings = new OpenAIPromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() };
        var chat = kernel.GetRequiredService<IChatCompletionService>();
        var history = new ChatHistory(WeatherGateway.Question);

        string answer = "";
        if (streams)
        {
            await foreach (StreamingChatMessageContent part in chat.GetStreamingChatMessageContentsAsync(history, settings, kernel, TestEnds))
                answer += part.Content;
        }
        else
        {
            answer = (await chat.GetChatMessageContentAsync(history, settings, kernel, TestEnds)).Content!;
        }

        Assert.Equal(WeatherGateway.Answer, answer);
        Assert.Equal(2, gateway.Grain.Requests.Count);
    }
}
