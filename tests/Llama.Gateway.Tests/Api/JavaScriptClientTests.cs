using System.Diagnostics;
using Llama.Gateway.Tests.Hosting;
using Llama.Model.Tokenization;
using Llama.Tests;

namespace Llama.Gateway.Tests.Api;

/// <summary>
/// The clients of OpenAI and Anthropic for JavaScript, on the routes of responses and messages. They run after <c>npm install</c> in <c>bench/clients</c>, and are skipped before.
/// </summary>
public sealed class JavaScriptClientTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private static readonly string Folder = Path.Combine(TestPaths.Root, "bench", "clients");

    [Fact]
    public async Task Responses_OfOpenAIsClient_AreCreatedStreamedKeptAndDeleted()
    {
        await using var gateway = await TestGateway.StartAsync();
        var found = await RunAsync(gateway, "responses.mjs");
        Assert.Equal(
            """
            {"text":"Hello.","same":true,"usage":7,"types":["response.created","response.in_progress","response.output_item.added","response.content_part.added","response.output_text.delta","response.output_text.delta","response.output_text.delta","response.output_text.delta","response.output_text.delta","response.output_text.delta","response.output_text.done","response.content_part.done","response.output_item.done","response.completed"],"streamed":["completed","Hello.",true],"gone":404,"refused":[400,"truncation"],"called":["get_weather","{\"city\": \"Köln\"}"],"told":"17 degrees."}
            """,
            found);
    }

    [Fact]
    public async Task Messages_OfAnthropicsClient_AreCreatedStreamedAndCounted()
    {
        await using var gateway = await TestGateway.StartAsync();
        var found = await RunAsync(gateway, "messages.mjs");
        Assert.Equal(
            """
            {"content":[{"type":"text","text":"Hel"}],"stop":["stop_sequence","lo"],"types":["message_start","content_block_start","content_block_delta","content_block_delta","content_block_delta","content_block_delta","content_block_delta","content_block_delta","content_block_stop","message_delta","message_stop"],"streamed":[[{"type":"text","text":"Hello."}],"end_turn",7],"counted":13,"refused":[404,"not_found_error","NotFoundError"],"called":["tool_use","get_weather",{"city":"Köln"}],"told":[{"type":"text","text":"17 degrees."}]}
            """,
            found);
    }

    private static string AnswerTo(string prompt) =>
        !prompt.Contains("get_weather", StringComparison.Ordinal) ? "Hello."
        : prompt.Contains("17", StringComparison.Ordinal) ? "17 degrees."
        : """{"name": "get_weather", "parameters": {"city": "Köln"}}""";

    private static async Task<string> RunAsync(TestGateway gateway, string script)
    {
        var tokenizer = new TestTokenizer();
        gateway.Grain.Status = gateway.Grain.Status with { MaxSequenceTokens = 4096 };
        gateway.Grain.Script = request => [.. tokenizer.Encode(AnswerTo(tokenizer.Decode(request.PromptTokens))), TestTokenizer.End];
        Assert.SkipUnless(Directory.Exists(Path.Combine(Folder, "node_modules")), $"needs npm install in {Folder}");
        var start = new ProcessStartInfo("node", [Path.Combine(Folder, script), gateway.Client.BaseAddress!.ToString().TrimEnd('/')])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var node = Process.Start(start)!;
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        ending.CancelAfter(Deadline);
        try
        {
            var errors = node.StandardError.ReadToEndAsync(ending.Token);
            var output = await node.StandardOutput.ReadToEndAsync(ending.Token);
            Assert.True(output.Length > 0, await errors);
            return output.TrimEnd();
        }
        finally
        {
            if (!node.HasExited) node.Kill();
        }
    }
}
