using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Llama.Gateway.Tests.Hosting;

/// <summary>Requests byte for byte, which no client library would send.</summary>
internal static class RawHttp
{
    /// <summary>Sends all bytes, whatever comes back meanwhile, and then reads the answer until the connection closes.</summary>
    /// <returns>Status, the names of headers, and the body.</returns>
    public static async Task<(int Status, string Headers, JsonElement Body)> SendAsync(Uri server, params byte[][] parts)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(server.Host, server.Port, TestContext.Current.CancellationToken);
        await using NetworkStream stream = client.GetStream();
        foreach (byte[] part in parts) await stream.WriteAsync(part, TestContext.Current.CancellationToken);
        using var all = new MemoryStream();
        await stream.CopyToAsync(all, TestContext.Current.CancellationToken);
        string answer = Encoding.UTF8.GetString(all.ToArray());
        int end = answer.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        string body = answer[(end + 4)..];
        return (int.Parse(answer.AsSpan(9, 3), CultureInfo.InvariantCulture), answer[..end], JsonElement.Parse(body[body.IndexOf('{')..(body.LastIndexOf('}') + 1)]));
    }

    /// <summary>The head of a POST.</summary>
    public static byte[] Post(string path, params string[] headers) =>
        Encoding.ASCII.GetBytes(string.Concat([$"POST {path} HTTP/1.1\r\nHost: x\r\n", .. headers.Select(header => $"{header}\r\n"), "\r\n"]));
}
