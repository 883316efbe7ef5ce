using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;

namespace Llama.Bench.Load;

/// <summary>Speaks to an OpenAI-compatible server: this project's gateway, llama.cpp's llama-server, and others.</summary>
internal sealed class LoadClient : IDisposable
{
    private static readonly Uri Models = new("v1/models", UriKind.Relative);
    private static readonly Uri Completions = new("v1/completions", UriKind.Relative);

    private readonly HttpClient http;
    private readonly LoadOptions options;
    private readonly LoadPrompts prompts;
    private readonly string? model;
    private readonly JsonElement? schema;

    private LoadClient(HttpClient http, LoadOptions options, string? model, bool takesTokens)
    {
        this.http = http;
        this.options = options;
        this.model = model;
        if (options.Schema is not null) schema = JsonElement.Parse(File.ReadAllText(options.Schema));
        TakesTokens = takesTokens;
        prompts = new LoadPrompts(options.Prompt, options.SharedPrefix, options.Seed);
    }

    /// <summary>Whether the server takes token ids, so that prompts have exactly the length asked for.</summary>
    public bool TakesTokens { get; }

    /// <summary>Asks a server for its model, and whether it takes token ids.</summary>
    /// <exception cref="HttpRequestException">Nobody answers, or the server does not complete prompts.</exception>
    public static async Task<LoadClient> ConnectAsync(LoadOptions options, CancellationToken cancellationToken)
    {
        var http = new HttpClient(new SocketsHttpHandler { UseProxy = false })
        {
            BaseAddress = options.Address,
            Timeout = Timeout.InfiniteTimeSpan,
        };
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            deadline.CancelAfter(options.Timeout);
            string? model = await FindModelAsync(http, deadline.Token).ConfigureAwait(false);

            // Another prompt than any of the test's, which must not find itself in the server's cache.
            var probe = new LoadPrompts(length: 1, shared: 0, options.Seed);
            foreach (bool takesTokens in (bool[])[true, false])
            {
                var client = new LoadClient(http, options, model, takesTokens);
                using HttpResponseMessage response =
                    await client.PostAsync(Prompt(probe, 0, takesTokens), 1, stream: false, deadline.Token).ConfigureAwait(false);
                if (response.IsSuccessStatusCode) return client;
                bool maybeText = response.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.UnprocessableEntity;
                if (takesTokens && maybeText) continue;
                string said = await ErrorAsync(response, deadline.Token).ConfigureAwait(false);
                throw new HttpRequestException($"{options.Address}v1/completions: HTTP {(int)response.StatusCode}: {said}");
            }

            throw new InvalidOperationException("A server takes texts or refuses them.");
        }
        catch (Exception e)
        {
            http.Dispose();
            if (e is JsonException) throw new HttpRequestException($"{options.Address}v1/models: not in OpenAI's format: {e.Message}", e);
            if (e is OperationCanceledException && !cancellationToken.IsCancellationRequested)
                throw new HttpRequestException($"{options.Address}: no answer within {options.Timeout.TotalSeconds:0} s", e);
            throw;
        }
    }

    /// <summary>Sends a request and reads its answer; whatever goes wrong is in the result.</summary>
    /// <param name="number">The prompt's number.</param>
    /// <param name="came">Told how many tokens have just come.</param>
    /// <param name="stopping">Gives up.</param>
    public async Task<RequestResult> SendAsync(int number, Action<int> came, CancellationToken stopping)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        deadline.CancelAfter(options.Timeout);
        var result = new RequestResult();
        try
        {
            using HttpResponseMessage response = await PostAsync(
                Prompt(prompts, number, TakesTokens), options.Generate, stream: true, deadline.Token).ConfigureAwait(false);
            if (response.IsSuccessStatusCode)
                await ReadAsync(response, result, came, deadline.Token).ConfigureAwait(false);
            else
                result.Failure = new RequestFailure(
                    $"HTTP {(int)response.StatusCode}", await ErrorAsync(response, deadline.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            result.Failure = stopping.IsCancellationRequested
                ? new RequestFailure("stopped", "the test was stopped")
                : new RequestFailure("timeout", $"no end within {options.Timeout.TotalSeconds:0} s");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            result.Failure = new RequestFailure("connection", e.InnerException is { } inner ? $"{e.Message} {inner.Message}" : e.Message);
        }
        catch (JsonException e)
        {
            result.Failure = new RequestFailure("not OpenAI's format", e.Message);
        }

        return result;
    }

    /// <inheritdoc/>
    public void Dispose() => http.Dispose();

    private static async Task ReadAsync(
        HttpResponseMessage response, RequestResult result, Action<int> came, CancellationToken cancellationToken)
    {
        Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await foreach (SseItem<string> item in SseParser.Create(body).EnumerateAsync(cancellationToken).ConfigureAwait(false))
        {
            if (item.Data == "[DONE]")
            {
                if (result.FirstToken is null) result.Failure ??= new RequestFailure("no tokens", "the answer was empty");
                return;
            }

            came(result.Take(JsonElement.Parse(item.Data)));
            if (result.Failure is not null) return;
        }

        result.Failure = new RequestFailure("cut off", "the stream ended without [DONE]");
    }

    private static async Task<string?> FindModelAsync(HttpClient http, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await http.GetAsync(Models, cancellationToken).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode) return null;
        JsonElement answer = JsonElement.Parse(await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false));
        return answer is { ValueKind: JsonValueKind.Object } && answer.TryGetProperty("data", out JsonElement data)
            && data.ValueKind == JsonValueKind.Array && data.GetArrayLength() > 0
            && data[0].ValueKind == JsonValueKind.Object && data[0].TryGetProperty("id", out JsonElement id)
            ? id.ToString()
            : null;
    }

    private static object Prompt(LoadPrompts prompts, int number, bool asTokens) =>
        asTokens ? prompts.Tokens(number) : prompts.Text(number);

    private Task<HttpResponseMessage> PostAsync(object prompt, int generate, bool stream, CancellationToken cancellationToken)
    {
        var body = new Dictionary<string, object>
        {
            ["prompt"] = prompt,
            ["max_tokens"] = generate,
            ["temperature"] = 0,
            ["stream"] = stream,
        };
        if (schema is { } followed) body["json_schema"] = followed;
        else body["ignore_eos"] = true;
        if (model is not null) body["model"] = model;
        if (stream)
        {
            body["stream_options"] = new { include_usage = true };
            body["return_token_ids"] = true;
        }

        // A connection for each request: llama-server closes one after a stream without saying so before, and the next request on it fails.
        var request = new HttpRequestMessage(HttpMethod.Post, Completions) { Content = JsonContent.Create(body) };
        request.Headers.ConnectionClose = true;
        return http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    private static async Task<string> ErrorAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        const int Shown = 500;
        string text = await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            JsonElement answer = JsonElement.Parse(text);
            if (answer.ValueKind == JsonValueKind.Object && answer.TryGetProperty("error", out JsonElement error))
                return RequestResult.Text(error);
        }
        catch (JsonException)
        {
            // Then the text itself is what there is to show.
        }

        return text.Length <= Shown ? text : text[..Shown] + "…";
    }
}
