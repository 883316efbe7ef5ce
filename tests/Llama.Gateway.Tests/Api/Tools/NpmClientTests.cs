using System.Diagnostics;
using System.Text.Json;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;
using Llama.Model.Tokenization;
using Llama.Tests;

namespace Llama.Gateway.Tests.Api.Tools;

/// <summary>
/// Clients from npm hold a conversation of two rounds with a tool. They run after <c>npm install</c> in <c>bench/clients</c>, and are skipped before.
/// </summary>
public sealed class NpmClientTests
{
    private static readonly string Folder = Path.Combine(TestPaths.Root, "bench", "clients");
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData("openai")]
    [InlineData("openai-stream")]
    [InlineData("langchain")]
    [InlineData("ai-sdk")]
    public async Task Client_TwoRoundsWithATool_GetsTheAnswer(string client)
    {
        Assert.SkipUnless(Directory.Exists(Path.Combine(Folder, "node_modules")), $"needs npm install in {Folder}");
        var tokenizer = new TestTokenizer();
        await using var gateway = await TestGateway.StartAsync(tokenizer);
        gateway.Grain.Status = gateway.Grain.Status with { MaxSequenceTokens = 4096 };
        gateway.Grain.Script = request => [.. tokenizer.Encode(Answer(request)), TestTokenizer.End];

        var start = new ProcessStartInfo("node") { WorkingDirectory = Folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])["tools.mjs", client, gateway.Client.BaseAddress!.ToString().TrimEnd('/')]) start.ArgumentList.Add(argument);
        using var node = Process.Start(start)!;
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        ending.CancelAfter(Deadline);
        var output = node.StandardOutput.ReadToEndAsync(ending.Token);
        var errors = node.StandardError.ReadToEndAsync(ending.Token);
        try
        {
            await node.WaitForExitAsync(ending.Token);
        }
        finally
        {
            if (!node.HasExited) node.Kill();
        }

        Assert.True(node.ExitCode == 0, await errors);
        var result = JsonElement.Parse(await output);
        Assert.Equal("It has 17 degrees in Köln.", result.GetProperty("text").GetString());
        Assert.Equal(["Köln"], result.GetProperty("called").EnumerateArray().Select(city => city.GetString()));
        Assert.Equal(2, gateway.Grain.Requests.Count);
    }

    /// <summary>Calls the tool, and says what it gave.</summary>
    private static string Answer(GenerationRequest request)
    {
        var prompt = new TestTokenizer().Decode(request.PromptTokens);
        const string Result = "The function get_weather returned:\n";
        var at = prompt.IndexOf(Result, StringComparison.Ordinal);
        return at < 0 ? "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Köln\"}}" : $"It has {prompt[(at + Result.Length)..].Split('\n')[0].TrimEnd()[..18]}.";
    }
}
