using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;

namespace Llama.Cluster.Tests.Clients;

/// <summary>A streamed completion with an Idempotency-Key, as far as it has come.</summary>
internal sealed class KeyedAnswer
{
    private readonly List<string>[] choices = [.. Enumerable.Range(0, Choices).Select(_ => new List<string>())];

    /// <summary>Choices of each.</summary>
    public const int Choices = 8;

    /// <summary>Tokens of each choice.</summary>
    public const int Length = 230;

    /// <summary>Its id; null before the first part.</summary>
    public string? Id { get; private set; }

    /// <summary>Whether it came to its end.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>The usage without what was cached, at the end.</summary>
    public string? Usage { get; private set; }

    /// <summary>Of every choice, each token with its text, log-probability and alternatives, as JSON.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Tokens => choices;

    /// <summary>Asks, and reads to the end, or until the stream breaks.</summary>
    /// <param name="client">The gateway.</param>
    /// <param name="key">The key.</param>
    /// <param name="prompt">The prompt.</param>
    public async Task ReadAsync(GatewayClient client, string key, IReadOnlyList<int> prompt)
    {
        CancellationToken testEnds = TestContext.Current.CancellationToken;
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = JsonContent.Create(new
            {
                prompt,
                max_tokens = Length,
                n = Choices,
                seed = 7,
                temperature = 1,
                logprobs = 3,
                ignore_eos = true,
                return_token_ids = true,
                stream = true,
                stream_options = new { include_usage = true },
            }),
        };
        request.Headers.Add("Idempotency-Key", key);
        try
        {
            using HttpResponseMessage response = await client.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, testEnds);
            Assert.True(response.IsSuccessStatusCode, $"{response.StatusCode}");
            await using Stream body = await response.Content.ReadAsStreamAsync(testEnds);
            await foreach (SseItem<string> item in SseParser.Create(body).EnumerateAsync(testEnds))
            {
                if (item.Data == "[DONE]") IsComplete = true;
                else Take(JsonElement.Parse(item.Data));
            }
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            // The gateway died.
        }
    }

    private void Take(JsonElement part)
    {
        Id ??= part.GetProperty("id").GetString();
        Assert.Equal(Id, part.GetProperty("id").GetString());
        foreach (JsonElement choice in part.GetProperty("choices").EnumerateArray())
        {
            choices[choice.GetProperty("index").GetInt32()].Add(
                $"{choice.GetProperty("token_ids")} {choice.GetProperty("text")} {choice.GetProperty("logprobs")}"
                + $" {choice.GetProperty("finish_reason")}");
        }

        if (part.GetProperty("usage") is { ValueKind: JsonValueKind.Object } usage)
            Usage = $"{usage.GetProperty("prompt_tokens")} and {usage.GetProperty("completion_tokens")}";
    }
}
