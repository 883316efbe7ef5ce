using System.Diagnostics;
using Llama.Gateway.Tests.Hosting;
using Llama.Tests;

namespace Llama.Gateway.Tests.Clients;

/// <summary>The clients of OpenAI and Anthropic for JavaScript. They run after <c>npm install</c> in this folder, and are skipped before.</summary>
public sealed class JavaScriptClientTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private static readonly string Folder = Path.Combine(TestPaths.Root, "tests", "Llama.Gateway.Tests", "Clients");

    [Fact]
    public async Task Responses_OfOpenAIsClient_AreCreatedStreamedKeptAndDeleted()
    {
        await using var gateway = await TestGateway.StartAsync();
        var found = await RunAsync(gateway, "responses.mjs");
        Assert.Equal(
            """
            {"text":"Hello.","same":true,"usage":7,"types":["response.created","response.in_progress","response.output_item.added","response.content_part.added","response.output_text.delta","response.output_text.delta","response.output_text.delta","response.output_text.delta","response.output_text.delta","response.output_text.delta","response.output_text.done","response.content_part.done","response.output_item.done","response.completed"],"streamed":["completed","Hello.",true],"gone":404,"refused":[400,"truncation"]}
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
            {"content":[{"type":"text","text":"Hel"}],"stop":["stop_sequence","lo"],"types":["message_start","content_block_start","content_block_delta","content_block_delta","content_block_delta","content_block_delta","content_block_delta","content_block_delta","content_block_stop","message_delta","message_stop"],"streamed":[[{"type":"text","text":"Hello."}],"end_turn",7],"counted":13,"refused":[404,"not_found_error","NotFoundError"]}
            """,
            found);
    }

    private static async Task<string> RunAsync(TestGateway gateway, string script)
    {
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
