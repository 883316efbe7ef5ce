using System.Diagnostics;
using System.Text.Json;

namespace Llama.Bench.Load;

/// <summary>Why a request failed.</summary>
/// <param name="Kind">A short name, to count by.</param>
/// <param name="Message">What was said.</param>
internal sealed record RequestFailure(string Kind, string Message);

/// <summary>What came back for one request, and when; times in milliseconds since it was sent.</summary>
internal sealed class RequestResult
{
    private readonly long start = Stopwatch.GetTimestamp();
    private readonly List<double> pauses = [];
    private int countedTokens;
    private int? reportedTokens;

    /// <summary>Tokens of the prompt, as the server counts them.</summary>
    public int PromptTokens { get; private set; }

    /// <summary>Those of them that the server had computed before.</summary>
    public int CachedTokens { get; private set; }

    /// <summary>Generated tokens.</summary>
    public int Tokens => reportedTokens ?? countedTokens;

    /// <summary>Time to the first token; null before it has come.</summary>
    public double? FirstToken { get; private set; }

    /// <summary>Time to the last token so far.</summary>
    public double LastToken { get; private set; }

    /// <summary>Times between the parts of the answer.</summary>
    public IReadOnlyList<double> Pauses => pauses;

    /// <summary>Mean time between tokens, after the first; null where there is only one.</summary>
    public double? TimePerToken => Tokens > 1 ? (LastToken - FirstToken) / (Tokens - 1) : null;

    /// <summary>Why it failed; null if it did not.</summary>
    public RequestFailure? Failure { get; set; }

    /// <summary>Takes a part of the streamed answer (OpenAI's completion object).</summary>
    /// <returns>The tokens that came with it.</returns>
    /// <exception cref="JsonException">It is none.</exception>
    public int Take(JsonElement part)
    {
        if (part.ValueKind != JsonValueKind.Object) throw new JsonException($"found {part.ValueKind} in the stream, expected an object");
        if (part.TryGetProperty("error", out JsonElement error))
        {
            Failure = new RequestFailure("error in the stream", Text(error));
            return 0;
        }

        if (part.TryGetProperty("usage", out JsonElement usage) && usage.ValueKind == JsonValueKind.Object) TakeUsage(usage);
        if (!part.TryGetProperty("choices", out JsonElement choices) || choices.ValueKind != JsonValueKind.Array) return 0;
        if (choices.GetArrayLength() == 0) return 0;

        // A part without token ids is one token, unless it only says why the answer ended.
        JsonElement choice = choices[0];
        if (choice.ValueKind != JsonValueKind.Object) throw new JsonException($"found {choice.ValueKind} as a choice, expected an object");
        int tokens = choice.TryGetProperty("token_ids", out JsonElement ids) && ids.ValueKind == JsonValueKind.Array ? ids.GetArrayLength()
            : choice.TryGetProperty("text", out JsonElement text) && text.ValueKind == JsonValueKind.String && text.GetString() != "" ? 1
            : 0;
        if (tokens > 0) TakeTokens(tokens);
        return tokens;
    }

    /// <summary>The message of an error object, or all of it.</summary>
    public static string Text(JsonElement error) =>
        (error.ValueKind == JsonValueKind.Object && error.TryGetProperty("message", out JsonElement message) ? message : error).ToString();

    private void TakeTokens(int tokens)
    {
        countedTokens += tokens;
        double now = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        if (FirstToken is null) FirstToken = now;
        else pauses.Add(now - LastToken);
        LastToken = now;
    }

    private void TakeUsage(JsonElement usage)
    {
        PromptTokens = Number(usage, "prompt_tokens") ?? 0;
        reportedTokens = Number(usage, "completion_tokens");
        if (usage.TryGetProperty("prompt_tokens_details", out JsonElement details) && details.ValueKind == JsonValueKind.Object)
            CachedTokens = Number(details, "cached_tokens") ?? 0;
    }

    private static int? Number(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number)
            ? number
            : null;
}
