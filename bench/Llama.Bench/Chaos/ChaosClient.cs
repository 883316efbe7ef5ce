using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;

namespace Llama.Bench.Chaos;

/// <summary>Sends the requests, and compares their answers.</summary>
internal sealed class ChaosClient : IDisposable
{
    /// <summary>After so long a request counts as not answered.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);

    private static readonly Uri Completions = new("v1/completions", UriKind.Relative);

    private readonly HttpClient http;
    private readonly string[] undisturbed = new string[ChaosRequests.Count];

    /// <summary>A client of a gateway. It closes the connection of an answer that it does not read to the end.</summary>
    public ChaosClient(Uri gateway) =>
        http = new HttpClient(new SocketsHttpHandler { UseProxy = false, ResponseDrainTimeout = TimeSpan.Zero })
        {
            BaseAddress = gateway,
            Timeout = Timeout.InfiniteTimeSpan,
        };

    /// <summary>Records what is answered, one request after the other and whole, while nothing happens.</summary>
    /// <exception cref="InvalidDataException">A request is not answered.</exception>
    public async Task RecordAsync(CancellationToken stopping)
    {
        for (int i = 0; i < undisturbed.Length; i++)
        {
            try
            {
                undisturbed[i] = await AskAsync(i, stream: false, int.MaxValue, stopping).ConfigureAwait(false);
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
            string answer = await AskAsync(number, stream, parts, deadline.Token).ConfigureAwait(false);
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

    private async Task<string> AskAsync(int number, bool stream, int parts, CancellationToken stopping)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Completions)
        {
            Content = JsonContent.Create(ChaosRequests.Body(number, stream)),
        };
        using HttpResponseMessage response =
            await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stopping).ConfigureAwait(false);
        var answer = new ChaosAnswer();
        if (!response.IsSuccessStatusCode || !stream)
        {
            string body = await response.Content.ReadAsStringAsync(stopping).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode) throw new HttpRequestException($"HTTP {(int)response.StatusCode}: {body}");
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
