using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;

namespace Llama.Bench.Fuzz;

/// <summary>What became of a request.</summary>
/// <param name="Status">HTTP's status, or -1 minus gRPC's; 0 where the connection was closed without one.</param>
/// <param name="Fault">What went wrong; null for nothing.</param>
internal readonly record struct FuzzResult(int Status, string? Fault);

/// <summary>Sends requests byte for byte, and judges what comes back.</summary>
/// <param name="http">Where HTTP/1.1 is spoken.</param>
/// <param name="rpc">Where gRPC is.</param>
internal sealed class FuzzClient(Uri http, Uri rpc) : IDisposable
{
    /// <summary>How long a request may take.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    /// <summary>Who has said nothing for so long is told that no more bytes come.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(5);

    private const int Internal = 13;
    private const int FrameHead = 5;

    private readonly HttpClient calls = new(new SocketsHttpHandler { UseProxy = false, EnableMultipleHttp2Connections = true })
    {
        BaseAddress = rpc, DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact, Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <summary>Sends a request, and waits until it is answered.</summary>
    /// <param name="seed">What it was made of.</param>
    /// <param name="bytes">What is sent.</param>
    /// <param name="stopping">Gives up.</param>
    public async Task<FuzzResult> SendAsync(FuzzSeed seed, byte[] bytes, CancellationToken stopping)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        ending.CancelAfter(Deadline);
        try
        {
            return await (seed.Method == FuzzSeed.Rpc ? CallAsync(seed.Path, bytes, ending.Token) : SendAsync(bytes, ending.Token)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            return new FuzzResult(0, $"no answer within {Deadline.TotalSeconds:0} s");
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            return new FuzzResult(0, "nobody listens any more");
        }
        catch (Exception e) when (e is IOException or SocketException or HttpRequestException)
        {
            // The server may close the connection of who does not speak HTTP.
            return new FuzzResult(0, null);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => calls.Dispose();

    private async Task<FuzzResult> SendAsync(byte[] bytes, CancellationToken ending)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(http.Host, http.Port, ending).ConfigureAwait(false);
        NetworkStream stream = client.GetStream();
        Task sending = stream.WriteAsync(bytes, ending).AsTask();
        var answer = new MemoryStream();
        byte[] buffer = new byte[16384];
        while (true)
        {
            Task<int> reading = stream.ReadAsync(buffer, ending).AsTask();
            if (await Task.WhenAny(reading, Task.Delay(Silence, ending)).ConfigureAwait(false) != reading) client.Client.Shutdown(SocketShutdown.Send);
            int read = await reading.ConfigureAwait(false);
            answer.Write(buffer, 0, read);
            if (read == 0 || IsWhole(answer)) break;
        }

        await Task.WhenAny(sending, Task.Delay(Silence, ending)).ConfigureAwait(false);
        return Judge(Encoding.Latin1.GetString(answer.GetBuffer(), 0, (int)answer.Length));
    }

    /// <summary>Whether a first answer is there as a whole, so that a connection that stays open need not be waited for.</summary>
    private static bool IsWhole(MemoryStream bytes)
    {
        ReadOnlySpan<byte> answer = bytes.GetBuffer().AsSpan(0, (int)bytes.Length);
        int end = answer.IndexOf("\r\n\r\n"u8);
        if (end < 0) return false;
        string head = Encoding.Latin1.GetString(answer[..end]);
        if (head.StartsWith("HTTP/1.1 100", StringComparison.Ordinal)) return false;
        if (head.Contains("Transfer-Encoding: chunked", StringComparison.OrdinalIgnoreCase)) return answer.EndsWith("\r\n0\r\n\r\n"u8);
        int at = head.IndexOf("Content-Length: ", StringComparison.OrdinalIgnoreCase);
        return at >= 0 && int.TryParse(head[(at + 16)..].Split('\r')[0], CultureInfo.InvariantCulture, out int length) && answer.Length - end - 4 >= length;
    }

    private static FuzzResult Judge(string answer)
    {
        if (answer.Length == 0) return new FuzzResult(0, null);
        int begin = answer.StartsWith("HTTP/1.1 100", StringComparison.Ordinal) ? answer.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4 : 0;
        if (answer.Length < begin + 12 || !int.TryParse(answer.AsSpan(begin + 9, 3), CultureInfo.InvariantCulture, out int status))
            return new FuzzResult(0, $"an answer that is no HTTP: {answer[..Math.Min(80, answer.Length)]}");
        bool isFault = status == 500 || answer.Contains("\"internal_error\"", StringComparison.Ordinal);
        return new FuzzResult(status, isFault ? answer[begin..Math.Min(answer.Length, begin + 400)] : null);
    }

    private async Task<FuzzResult> CallAsync(string path, byte[] message, CancellationToken ending)
    {
        byte[] frame = [0, .. BitConverter.GetBytes(IPAddress.HostToNetworkOrder(message.Length)), .. message];
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(frame[..(FrameHead + message.Length)]) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        request.Version = HttpVersion.Version20;
        request.VersionPolicy = HttpVersionPolicy.RequestVersionExact;
        using HttpResponseMessage response = await calls.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ending).ConfigureAwait(false);
        await response.Content.CopyToAsync(Stream.Null, ending).ConfigureAwait(false);
        HttpHeaders trailers = response.TrailingHeaders.Contains("grpc-status") ? response.TrailingHeaders : response.Headers;
        if (!trailers.TryGetValues("grpc-status", out IEnumerable<string>? values)) return new FuzzResult((int)response.StatusCode, $"no grpc-status with {(int)response.StatusCode}");
        int status = int.Parse(values.First(), CultureInfo.InvariantCulture);
        string said = trailers.TryGetValues("grpc-message", out IEnumerable<string>? messages) ? messages.First() : "";
        bool isFault = status == Internal && said.Contains("failed%20to%20answer", StringComparison.Ordinal) || said.Contains("failed to answer", StringComparison.Ordinal) || status == 2;
        return new FuzzResult(-1 - status, isFault ? $"grpc-status {status}: {said}" : null);
    }
}
