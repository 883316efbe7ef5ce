using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;

namespace Llama.Bench.Chaos;

/// <summary>Sends the requests, and compares their answers.</summary>
internal sealed class ChaosClient : IDisposable
{
    /// <summary>After so long a request counts as not answered.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);

    /// <summary>Before a request is sent again.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly HttpClient http;
    private readonly Uri[] completions;
    private readonly string[] undisturbed = new string[ChaosRequests.Count];

    private readonly bool asksAgain;
    private uint asked;

    /// <summary>A client of gateways or fronts. It closes the connection of an answer that it does not read to the end.</summary>
    /// <param name="addresses">Their addresses, asked in turn.</param>
    /// <param name="asksAgain">Whether an answer that breaks off, or none at all, is asked for again with the same key.</param>
    public ChaosClient(IEnumerable<Uri> addresses, bool asksAgain)
    {
        this.asksAgain = asksAgain;
        completions = [.. addresses.Select(address => new Uri(address, "v1/completions"))];
        http = new HttpClient(new SocketsHttpHandler { UseProxy = false, ResponseDrainTimeout = TimeSpan.Zero })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>Records what is answered, one request after the other and whole, while nothing happens.</summary>
    /// <exception cref="InvalidDataException">A request is not answered.</exception>
    public async Task RecordAsync(CancellationToken stopping)
    {
        for (int i = 0; i < undisturbed.Length; i++)
        {
            try
            {
                undisturbed[i] = await AskAsync(i, stream: false, int.MaxValue, null, stopping).ConfigureAwait(false);
            }
            catch (Exception e) when (e is HttpRequestException or JsonException or IOException)
            {
                throw new InvalidDataException($"Undisturbed, request {i} fails: {e.Message}", e);
            }
        }
    }

    /// <summary>Sends a random request, and at random gives it up on the way.</summary>
    /// <param name="random">Decides.</param>
    /// <param name="counts">Counts what became of it.</param>
    /// <param name="stopping">Gives up all.</param>
    /// <exception cref="OperationCanceledException">All were given up.</exception>
    public async Task SendAsync(Random random, ChaosCounts counts, CancellationToken stopping)
    {
        int number = random.Next(ChaosRequests.Count);
        bool stream = random.Next(3) > 0;
        int fate = random.Next(10);
        bool cancels = stream && fate < 2;
        bool disconnects = !cancels && fate < 3;
        int parts = cancels ? random.Next(1, 40) : int.MaxValue;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        deadline.CancelAfter(disconnects ? TimeSpan.FromMilliseconds(random.Next(1, 400)) : Deadline);
        counts.Begin();
        string? fault = null;
        try
        {
            string answer = asksAgain
                ? await AskUntilAnsweredAsync(number, stream, parts, $"{random.NextInt64()}", deadline.Token).ConfigureAwait(false)
                : await AskAsync(number, stream, parts, null, deadline.Token).ConfigureAwait(false);
            if (!cancels && answer != undisturbed[number]) fault = $"another answer:\n{answer}\nexpected:\n{undisturbed[number]}";
        }
        catch (OperationCanceledException)
        {
            stopping.ThrowIfCancellationRequested();
            if (!disconnects) fault = $"no answer within {Deadline.TotalSeconds:0} s";
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or IOException)
        {
            fault = e.Message;
        }

        if (fault is not null) counts.Fail($"request {number}{(stream ? ", streamed" : "")}: {fault}");
        else if (cancels || disconnects) counts.Cancel();
        else counts.Answer();
    }

    /// <inheritdoc/>
    public void Dispose() => http.Dispose();

    private async Task<string> AskUntilAnsweredAsync(int number, bool stream, int parts, string key, CancellationToken stopping)
    {
        while (true)
        {
            try
            {
                return await AskAsync(number, stream, parts, key, stopping).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or HttpRequestException { StatusCode: null or HttpStatusCode.ServiceUnavailable })
            {
                await Task.Delay(Pause, stopping).ConfigureAwait(false);
            }
        }
    }

    private async Task<string> AskAsync(int number, bool stream, int parts, string? key, CancellationToken stopping)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, completions[Interlocked.Increment(ref asked) % completions.Length])
        {
            Content = JsonContent.Create(ChaosRequests.Body(number, stream)),
        };
        if (key is not null) request.Headers.Add("Idempotency-Key", key);
        using HttpResponseMessage response =
            await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stopping).ConfigureAwait(false);
        var answer = new ChaosAnswer();
        if (!response.IsSuccessStatusCode || !stream)
        {
            string body = await response.Content.ReadAsStringAsync(stopping).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode) throw new HttpRequestException($"HTTP {(int)response.StatusCode}: {body}", null, response.StatusCode);
            answer.Take(body);
            return answer.ToString();
        }

        Stream events = await response.Content.ReadAsStreamAsync(stopping).ConfigureAwait(false);
        await foreach (SseItem<string> item in SseParser.Create(events).EnumerateAsync(stopping).ConfigureAwait(false))
        {
            if (item.Data == "[DONE]" || parts-- == 0) return answer.ToString();
            answer.Take(item.Data);
        }

        throw new IOException("the stream ended without [DONE]");
    }
}
