using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;

namespace Llama.Bench.Schemas;

/// <summary>An answer as it was streamed.</summary>
/// <param name="Finish">Why it ended.</param>
/// <param name="Text">Its text.</param>
/// <param name="Tokens">Its token ids.</param>
internal sealed record SchemaAnswer(string Finish, string Text, IReadOnlyList<int> Tokens)
{
    /// <summary>Whether another is the same in every token and character.</summary>
    public bool IsSameAs(SchemaAnswer other) => Finish == other.Finish && Text == other.Text && Tokens.SequenceEqual(other.Tokens);

    /// <summary>Asks for an answer.</summary>
    /// <param name="http">Its address is the gateway's.</param>
    /// <param name="request">The request.</param>
    /// <param name="atToken">Called with the count of tokens whenever some have come.</param>
    /// <param name="stopping">Gives it up.</param>
    /// <returns>The answer; null where no text fits the schema.</returns>
    /// <exception cref="IOException">The answer broke off, or tells of an error.</exception>
    /// <exception cref="HttpRequestException">There is none.</exception>
    public static async Task<SchemaAnswer?> AskAsync(
        HttpClient http, SchemaRequest request, Action<int> atToken, CancellationToken stopping)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, "v1/completions") { Content = JsonContent.Create(request.Body) };
        using HttpResponseMessage response =
            await http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, stopping).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
        {
            string body = await response.Content.ReadAsStringAsync(stopping).ConfigureAwait(false);
            if (response.StatusCode == HttpStatusCode.BadRequest && body.Contains("No text fits", StringComparison.Ordinal)) return null;
            throw new HttpRequestException($"HTTP {(int)response.StatusCode}: {body}");
        }

        var text = new StringBuilder();
        List<int> tokens = [];
        string? finish = null;
        Stream events = await response.Content.ReadAsStreamAsync(stopping).ConfigureAwait(false);
        await foreach (SseItem<string> item in SseParser.Create(events).EnumerateAsync(stopping).ConfigureAwait(false))
        {
            if (item.Data == "[DONE]") return new SchemaAnswer(finish ?? throw new IOException("The answer has no finish_reason."), text.ToString(), tokens);
            JsonElement part = JsonElement.Parse(item.Data);
            if (part.TryGetProperty("error", out JsonElement error)) throw new IOException($"The answer has an error: {error}");
            JsonElement choice = part.GetProperty("choices")[0];
            text.Append(choice.GetProperty("text").GetString());
            tokens.AddRange(choice.GetProperty("token_ids").EnumerateArray().Select(token => token.GetInt32()));
            finish = choice.GetProperty("finish_reason").GetString() ?? finish;
            atToken(tokens.Count);
        }

        throw new IOException("The stream ended without [DONE].");
    }
}
