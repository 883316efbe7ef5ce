using System.Text.Json;
using Llama.Tests;

namespace Llama.Gateway.Tests.Api.Clients;

/// <summary>
/// Clients from npm: what each of them gets, a conversation of two rounds with a tool among it. They run after <c>npm install</c> in
/// <c>bench/clients</c>, and are skipped before.
/// </summary>
public sealed class NpmClientTests
{
    [Fact]
    public async Task OpenAI_GetsWhatItAsksFor() => await RunAsync(
        "openai.mjs",
        """
        {"models":[["test-model"],"test-model"],"choices":[[0,"Hello.","stop",7,5],[1,"Hello.","stop",7,6]],"pieces":["H","e","l"],"usage":3,"parsed":{"city":"Köln","degrees":17},"continued":["Hell","length"],"vectors":[[3,105,0.5],[4,117,0.5]],"refused":["NotFoundError","model_not_found","model"],"told":["It has 17 degrees in Köln.","It has 17 degrees in Köln."]}
        """);

    [Fact]
    public async Task OpenAI_OnResponses_GetsWhatItAsksFor() => await RunAsync(
        "responses.mjs",
        """
        {"text":"Hello.","same":true,"usage":7,"types":["response.created","response.in_progress","response.output_item.added","response.content_part.added","response.output_text.delta","response.output_text.delta","response.output_text.delta","response.output_text.delta","response.output_text.delta","response.output_text.delta","response.output_text.done","response.content_part.done","response.output_item.done","response.completed"],"streamed":["completed","Hello.",true],"gone":404,"refused":[400,"truncation"],"called":["get_weather","{\"city\": \"Köln\"}"],"told":"It has 17 degrees in Köln."}
        """);

    [Fact]
    public async Task Anthropic_GetsWhatItAsksFor() => await RunAsync(
        "anthropic.mjs",
        """
        {"content":[{"type":"text","text":"Hel"}],"stop":["stop_sequence","lo"],"types":["message_start","content_block_start","content_block_delta","content_block_delta","content_block_delta","content_block_delta","content_block_delta","content_block_delta","content_block_stop","message_delta","message_stop"],"streamed":[[{"type":"text","text":"Hello."}],"end_turn",7],"counted":13,"refused":[404,"not_found_error","NotFoundError"],"called":["tool_use","get_weather",{"city":"Köln"}],"told":[{"type":"text","text":"It has 17 degrees in Köln."}]}
        """);

    [Fact]
    public async Task Ollama_GetsWhatItAsksFor() => await RunAsync(
        "ollama.mjs",
        """
        {"models":["test-model","test-model","llama",["completion","insert","tools"]],"answer":["Hel","length",3],"pieces":["H","e","l","l","o","."],"streamed":[true,"stop",7],"continued":"Hello.","structured":{"city":"Köln","degrees":17},"anyJson":{"city":"Köln","degrees":17},"vectors":[[3,105,0.5],[4,117,0.5]],"refused":["ResponseError",404,"The model 'llama3.2' is not served here; the one that is: 'test-model'."],"told":["It has 17 degrees in Köln.","It has 17 degrees in Köln."]}
        """);

    [Fact]
    public async Task LangChain_GetsWhatItAsksFor() => await RunAsync(
        "langchain.mjs",
        """
        {"answer":["Hello.",7,"stop"],"pieces":["H","e","l","l","o","."],"structured":{"city":"Köln","degrees":17},"refused":[404,"model_not_found"],"continued":"Hello.","vectors":[[3,105,0.5],[4,117,0.5]],"told":"It has 17 degrees in Köln."}
        """);

    [Fact]
    public async Task AISdk_GetsWhatItAsksFor() => await RunAsync(
        "ai-sdk.mjs",
        """
        {"answer":["Hel","length",3],"pieces":["H","e","l","l","o","."],"streamed":["stop",7],"structured":{"city":"Köln","degrees":17},"vectors":[[3,105,0.5],[4,117,0.5]],"refused":[404,"The model 'gpt-5' is not served here; the one that is: 'test-model'."],"told":["It has 17 degrees in Köln.","It has 17 degrees in Köln."]}
        """);

    [Fact]
    public async Task GrpcJs_GetsWhatItAsksFor()
    {
        await using var gateway = await WeatherGateway.StartAsync();

        var found = JsonElement.Parse(await ProgramRun.OfNodeAsync("bench/clients", "grpc.mjs", new Uri(gateway.RpcUrl).Authority));

        Assert.Equal(
            """{"text":"Hello.","tokens":[72,101,108,108,111,46,257],"code":0,"finish":"stop","usage":[3,7]}""",
            found.GetProperty("generate").GetRawText());
        Assert.Equal(
            """{"text":"Hel","tokens":[72,101,108],"code":0,"finish":"length","usage":[3,3]}""", found.GetProperty("chat").GetRawText());
        JsonElement refused = found.GetProperty("refused");
        Assert.Equal((3, "temperature"), (refused.GetProperty("code").GetInt32(), refused.GetProperty("param").GetString()));
        Assert.Equal("temperature must be a number from 0 to 2; found the number 3.", refused.GetProperty("message").GetString());
        Assert.Equal((4, 1), (found.GetProperty("deadline").GetInt32(), found.GetProperty("cancelled").GetInt32()));
        Assert.Equal("It has 17 degrees in Köln.", found.GetProperty("told").GetString());
        await gateway.Grain.WaitForEndAsync();
        Assert.Equal("[8,1]", found.GetProperty("health").GetRawText());
        Assert.Contains("llama.v1.Inference", found.GetProperty("services").EnumerateArray().Select(service => service.GetString()));
    }

    private static async Task RunAsync(string script, string expected)
    {
        await using var gateway = await WeatherGateway.StartAsync();
        Assert.Equal(expected, (await ProgramRun.OfNodeAsync("bench/clients", script, gateway.Client.BaseAddress!.ToString().TrimEnd('/'))).TrimEnd());
    }
}
