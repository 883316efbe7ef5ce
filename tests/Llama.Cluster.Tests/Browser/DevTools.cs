using System.Net.WebSockets;
using System.Text.Json;

namespace Llama.Cluster.Tests.Browser;

/// <summary>A link to one target of a browser (Chrome DevTools Protocol): a call goes out as JSON, its answer is awaited.</summary>
internal sealed class DevTools : IDisposable
{
    private readonly ClientWebSocket socket = new();
    private readonly byte[] buffer = new byte[1 << 16];
    private int lastId;

    private DevTools() => socket.Options.Proxy = null;

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    /// <summary>Connects to a target by its <c>webSocketDebuggerUrl</c>.</summary>
    public static async Task<DevTools> ConnectAsync(Uri target)
    {
        var devTools = new DevTools();
        await devTools.socket.ConnectAsync(target, TestEnds);
        return devTools;
    }

    /// <summary>Calls a method and returns its result. Events that come before it are of no interest here.</summary>
    public async Task<JsonElement> CallAsync(string method, object parameters)
    {
        int id = ++lastId;
        byte[] call = JsonSerializer.SerializeToUtf8Bytes(new { id, method, @params = parameters });
        await socket.SendAsync(call, WebSocketMessageType.Text, endOfMessage: true, TestEnds);
        while (true)
        {
            JsonElement message = await ReceiveAsync();
            if (!message.TryGetProperty("id", out JsonElement answered) || answered.GetInt32() != id) continue;
            Assert.False(message.TryGetProperty("error", out JsonElement error), $"{method}: {error}");
            return message.GetProperty("result");
        }
    }

    /// <summary>The value of a JavaScript expression in the page, as a string.</summary>
    public async Task<string> EvaluateAsync(string expression)
    {
        JsonElement result = await CallAsync("Runtime.evaluate", new { expression = $"String({expression})", returnByValue = true });
        Assert.False(result.TryGetProperty("exceptionDetails", out JsonElement exception), $"{expression}: {exception}");
        return result.GetProperty("result").GetProperty("value").GetString()!;
    }

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();

    private async Task<JsonElement> ReceiveAsync()
    {
        using var message = new MemoryStream();
        while (true)
        {
            ValueWebSocketReceiveResult part = await socket.ReceiveAsync(buffer.AsMemory(), TestEnds);
            Assert.NotEqual(WebSocketMessageType.Close, part.MessageType);
            message.Write(buffer, 0, part.Count);
            if (part.EndOfMessage) return JsonElement.Parse(message.ToArray());
        }
    }
}
