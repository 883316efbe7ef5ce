using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Llama.Bench.Tests.Load;

/// <summary>A server that misbehaves as told: for each streamed completion it sends the events of a script, and then ends the answer.</summary>
internal sealed class ScriptedServer : IDisposable
{
    private readonly HttpListener listener = new();
    private readonly Func<JsonElement, (int Status, string Body)> answer;

    /// <summary>Starts it.</summary>
    /// <param name="answer">From the request's body to the answer's status and body.</param>
    public ScriptedServer(Func<JsonElement, (int Status, string Body)> answer)
    {
        this.answer = answer;
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            Url = $"http://127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}";
        }

        listener.Prefixes.Add(Url + "/");
        listener.Start();
        _ = ServeAsync();
    }

    public string Url { get; }

    /// <summary>The prompts of all requests.</summary>
    public List<JsonElement> Prompts { get; } = [];

    public void Dispose() => listener.Close();

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                HttpListenerContext context = await listener.GetContextAsync();
                (int status, string body) = Answer(context.Request);
                context.Response.StatusCode = status;
                await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(body));
                context.Response.Close();
            }
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private (int Status, string Body) Answer(HttpListenerRequest request)
    {
        if (request.HttpMethod == "GET") return (200, """{"data":[{"id":"scripted"}]}""");
        using var reader = new StreamReader(request.InputStream);
        JsonElement body = JsonElement.Parse(reader.ReadToEnd());
        Prompts.Add(body.GetProperty("prompt"));
        Assert.Equal("scripted", body.GetProperty("model").GetString());
        return body.GetProperty("stream").GetBoolean() || body.GetProperty("prompt").ValueKind != JsonValueKind.String
            ? answer(body)
            : (200, "{}");
    }
}
