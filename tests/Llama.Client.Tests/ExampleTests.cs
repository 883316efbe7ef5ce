using Llama.Gateway.Tests.Hosting;
using Llama.Tests;

namespace Llama.Client.Tests;

/// <summary>The examples, as their users run them.</summary>
public sealed class ExampleTests
{
    [Fact]
    public async Task Chat_TwoQuestions_AreAnsweredAfterTheWholeConversation()
    {
        await using var gateway = await TestGateway.StartAsync();

        ProgramRun run = await ProgramRun.OfAsync("Llama.Examples.Chat", [gateway.RpcUrl], "Hi\nHo\n");

        Assert.Equal((0, "> Hello.\n> Hello.\n> ", ""), (run.Code, run.Output, run.Error));
        Assert.Equal("Hi\nHello.\nHo", string.Concat(gateway.Grain.Requests.Last().PromptTokens.Skip(1).Select(token => (char)token)));
    }

    [Theory]
    [InlineData("grpc_chat.mjs")]
    [InlineData("openai_chat.mjs")]
    public async Task JavaScript_Question_IsAnswered(string script)
    {
        await using var gateway = await TestGateway.StartAsync();
        string address = script == "grpc_chat.mjs" ? new Uri(gateway.RpcUrl).Authority : new Uri(gateway.Client.BaseAddress!, "v1").ToString();

        string output = await ProgramRun.OfNodeAsync("examples/javascript", script, address, "Hi");

        Assert.Equal("Hello.\n3 + 7 tokens\n", output);
    }
}
