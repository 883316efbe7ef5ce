using System.Diagnostics;
using Llama.Gateway.Tests.Hosting;
using Llama.Tests;

namespace Llama.Client.Tests;

/// <summary>The examples, as their users run them.</summary>
public sealed class ExampleTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private static readonly string Examples = Path.Combine(TestPaths.Root, "examples");

    [Fact]
    public async Task Chat_TwoQuestions_AreAnsweredAfterTheWholeConversation()
    {
        await using var gateway = await TestGateway.StartAsync();

        string output = await RunAsync(
            "dotnet", [Path.Combine(AppContext.BaseDirectory, "Llama.Examples.Chat.dll"), gateway.RpcUrl], "Hi\nHo\n");

        Assert.Equal("> Hello.\n> Hello.\n> ", output);
        Assert.Equal("Hi\nHello.\nHo", string.Concat(gateway.Grain.Requests.Last().PromptTokens.Skip(1).Select(token => (char)token)));
    }

    [Theory]
    [InlineData("grpc_chat.mjs")]
    [InlineData("openai_chat.mjs")]
    public async Task JavaScript_Question_IsAnswered(string script)
    {
        string folder = Path.Combine(Examples, "javascript");
        Assert.SkipUnless(Directory.Exists(Path.Combine(folder, "node_modules")), $"needs npm install in {folder}");
        await using var gateway = await TestGateway.StartAsync();
        string address = script == "grpc_chat.mjs" ? new Uri(gateway.RpcUrl).Authority : new Uri(gateway.Client.BaseAddress!, "v1").ToString();

        string output = await RunAsync("node", [Path.Combine(folder, script), address, "Hi"]);

        Assert.Equal("Hello.\n3 + 7 tokens\n", output);
    }

    /// <summary>What a program prints that ends well.</summary>
    private static async Task<string> RunAsync(string program, IEnumerable<string> arguments, string input = "")
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        ending.CancelAfter(Deadline);
        try
        {
            await process.StandardInput.WriteAsync(input.AsMemory(), ending.Token);
            process.StandardInput.Close();
            Task<string> errors = process.StandardError.ReadToEndAsync(ending.Token);
            string output = await process.StandardOutput.ReadToEndAsync(ending.Token);
            await process.WaitForExitAsync(ending.Token);
            Assert.True(process.ExitCode == 0, output + await errors);
            return output;
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }
}
