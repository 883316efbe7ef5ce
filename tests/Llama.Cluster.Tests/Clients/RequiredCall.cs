using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using Llama.Cluster.Tests.Processes;

namespace Llama.Cluster.Tests.Clients;

/// <summary>A streamed answer that must call a function, as far as it has come.</summary>
internal sealed class RequiredCall
{
    private const string Request =
        """
        {"messages":[{"role":"user","content":"Hi"}],"seed":3,"temperature":1,"stream":true,"tool_choice":"required","parallel_tool_calls":false,
         "tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"x":{"type":"string","minLength":60,"maxLength":60}},"required":["x"]}}}]}
        """;

    private readonly StringBuilder text = new();
    private readonly Task reading;

    private RequiredCall(GatewayClient client) => reading = ReadAsync(client);

    /// <summary>Name, arguments and finish reason so far.</summary>
    public string Text
    {
        get
        {
            lock (text) return text.ToString();
        }
    }

    /// <summary>Asks, and waits until some of the arguments are there.</summary>
    public static async Task<RequiredCall> BegunAsync(TestCluster cluster)
    {
        var call = new RequiredCall(cluster.Client);
        await Wait.UntilAsync("the call has begun", TimeSpan.FromSeconds(30), () => call.Text.Contains('"', StringComparison.Ordinal), () => cluster.Output);
        return call;
    }

    /// <summary>Waits until it is complete.</summary>
    public Task EndedAsync() => reading;

    private async Task ReadAsync(GatewayClient client)
    {
        CancellationToken testEnds = TestContext.Current.CancellationToken;
        using var message = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent(Request, Encoding.UTF8, "application/json") };
        using HttpResponseMessage response = await client.Http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, testEnds);
        Assert.True(response.IsSuccessStatusCode, $"{response.StatusCode}");
        await using Stream body = await response.Content.ReadAsStreamAsync(testEnds);
        await foreach (SseItem<string> item in SseParser.Create(body).EnumerateAsync(testEnds))
        {
            if (item.Data == "[DONE]") return;
            JsonElement choice = JsonElement.Parse(item.Data).GetProperty("choices")[0];
            lock (text)
            {
                if (choice.GetProperty("delta").TryGetProperty("tool_calls", out JsonElement calls))
                {
                    JsonElement function = Assert.Single(calls.EnumerateArray()).GetProperty("function");
                    if (function.TryGetProperty("name", out JsonElement name)) text.Append(name.GetString()).Append(' ');
                    text.Append(function.GetProperty("arguments").GetString());
                }

                text.Append(choice.GetProperty("finish_reason").GetString() is { } finish ? " " + finish : "");
            }
        }
    }
}
