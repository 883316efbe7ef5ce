using System.ComponentModel;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;
using Llama.Model.Tokenization;
using Microsoft.Extensions.AI;

namespace Llama.Client.Tests;

/// <summary>Functions that the model calls.</summary>
public sealed class ToolTests
{
    private const string Call = "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Köln\"}}";
    private const string Result = "The function get_weather returned:\n";
    private static readonly TestTokenizer Tokenizer = new();
    private static readonly AIFunction Weather = AIFunctionFactory.Create(
        ([Description("Where.")] string city) => $"17 degrees in {city}", "get_weather", "Tells the weather.");

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task UseFunctionInvocation_OneTool_IsCalledAndItsResultAnswered(bool streams)
    {
        await using TestGateway gateway = await StartAsync(request =>
            Tokenizer.Decode(request.PromptTokens).Contains(Result, StringComparison.Ordinal) ? "It has 17 degrees." : Call);
        using IChatClient client = TestClient.Of(gateway).AsBuilder().UseFunctionInvocation().Build();
        var options = new ChatOptions { Tools = [Weather] };

        ChatResponse answer = streams
            ? await client.GetStreamingResponseAsync("Weather?", options, TestEnds).ToChatResponseAsync(TestEnds)
            : await client.GetResponseAsync("Weather?", options, TestEnds);

        Assert.EndsWith("It has 17 degrees.", answer.Text, StringComparison.Ordinal);
        var call = Assert.Single(answer.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>());
        Assert.Equal(("get_weather", "Köln"), (call.Name, $"{call.Arguments!["city"]}"));
        Assert.Equal(2, gateway.Grain.Requests.Count);
        string last = Tokenizer.Decode(gateway.Grain.Requests.Last().PromptTokens);
        Assert.Contains("Tells the weather.", last, StringComparison.Ordinal);
        Assert.Contains($"{Result}17 degrees in Köln", last, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GetResponse_RequiredTool_IsEnforcedByAGrammar()
    {
        await using TestGateway gateway = await StartAsync(_ => Call);
        using IChatClient client = TestClient.Of(gateway);

        foreach (ChatToolMode mode in (ChatToolMode[])[ChatToolMode.RequireAny, ChatToolMode.RequireSpecific("get_weather"), ChatToolMode.None])
        {
            var options = new ChatOptions { Tools = [Weather], ToolMode = mode, AllowMultipleToolCalls = false };
            ChatResponse answer = await client.GetResponseAsync("Weather?", options, TestEnds);
            Assert.Equal(mode == ChatToolMode.None ? ChatFinishReason.Stop : ChatFinishReason.ToolCalls, answer.FinishReason);
        }

        Assert.Equal([true, true, false], gateway.Grain.Requests.Select(request => request.Grammar is not null));
    }

    [Fact]
    public async Task GetResponse_CallIsCutOff_SaysSo()
    {
        await using TestGateway gateway = await StartAsync(_ => Call);
        using IChatClient client = TestClient.Of(gateway);

        ChatResponse answer = await client.GetResponseAsync("Weather?", new() { Tools = [Weather], MaxOutputTokens = 45 }, TestEnds);

        Assert.Equal(ChatFinishReason.Length, answer.FinishReason);
        var call = Assert.IsType<FunctionCallContent>(Assert.Single(answer.Messages[0].Contents));
        Assert.Equal(("get_weather", null), (call.Name, call.Arguments));
        Assert.NotNull(call.Exception);
    }

    private static async Task<TestGateway> StartAsync(Func<GenerationRequest, string> answer)
    {
        TestGateway gateway = await TestGateway.StartAsync(Tokenizer);
        gateway.Grain.Status = gateway.Grain.Status with { MaxSequenceTokens = 4096 };
        gateway.Grain.Script = request => [.. Tokenizer.Encode(answer(request)), TestTokenizer.End];
        return gateway;
    }
}
