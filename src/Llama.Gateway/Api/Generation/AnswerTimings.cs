using System.Text.Json;
using Llama.Gateway.Api.Telemetry;

namespace Llama.Gateway.Api.Generation;

/// <summary>
/// How long an answer took, in the form of llama.cpp's server. What it calls the prompt's time ends with the first token; here it begins with
/// the request's arrival, so it has the time in the waiting queue, too.
/// </summary>
internal static class AnswerTimings
{
    /// <summary>Writes the member <c>timings</c>: tokens, milliseconds, milliseconds a token and tokens a second of both.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="request">What was measured.</param>
    public static void Write(Utf8JsonWriter json, ServedRequest request)
    {
        json.WriteStartObject("timings");
        json.WriteNumber("cache_n", request.CachedTokens);
        Write(json, "prompt", request.PromptTokens - request.CachedTokens, request.SecondsToFirst ?? 0);
        Write(json, "predicted", request.Tokens, request.SecondsAfterFirst);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string what, int tokens, double seconds)
    {
        json.WriteNumber($"{what}_n", tokens);
        json.WriteNumber($"{what}_ms", Round(seconds * 1e3));
        json.WriteNumber($"{what}_per_token_ms", Round(tokens > 0 ? seconds * 1e3 / tokens : 0));
        json.WriteNumber($"{what}_per_second", Round(seconds > 0 ? tokens / seconds : 0));
    }

    private static double Round(double value) => Math.Round(value, 3);
}
