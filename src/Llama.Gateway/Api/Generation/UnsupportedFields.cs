using System.Text.Json;
using Llama.Gateway.Api.Reading;

namespace Llama.Gateway.Api.Generation;

/// <summary>
/// Fields of OpenAI's and vLLM's requests that would change the answer in a way that is not supported: refused unless their value asks
/// for nothing. Fields that are in neither list change nothing and are ignored.
/// </summary>
internal static class UnsupportedFields
{
    private static readonly Neutral Never = new("nothing", _ => false);
    private static readonly Neutral False = new("false", value => value.ValueKind == JsonValueKind.False);
    private static readonly Neutral True = new("true", value => value.ValueKind == JsonValueKind.True);
    private static readonly Neutral Zero = new("0", value => IsNumber(value, 0));
    private static readonly Neutral One = new("1", value => IsNumber(value, 1));
    private static readonly Neutral EmptyText = new("an empty string", value => value.ValueEquals(""), JsonValueKind.String);
    private static readonly Neutral EmptyList = new("an empty list", value => value.GetArrayLength() == 0, JsonValueKind.Array);
    private static readonly Neutral EmptyObject = new("an empty object", value => value.GetPropertyCount() == 0, JsonValueKind.Object);
    private static readonly Neutral NoneOrAuto = new(
        "\"none\" or \"auto\"", value => value.ValueEquals("none") || value.ValueEquals("auto"), JsonValueKind.String);

    private static readonly Neutral TextFormat = new(
        "{\"type\":\"text\"}",
        value => value.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && type.ValueEquals("text"),
        JsonValueKind.Object);

    private static readonly Neutral TextOnly = new(
        "[\"text\"]",
        value => value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String && item.ValueEquals("text")),
        JsonValueKind.Array);

    private static readonly (string Field, Neutral Neutral)[] Fields =
    [
        ("audio", Never),
        ("echo", False),
        ("frequency_penalty", Zero),
        ("function_call", NoneOrAuto),
        ("functions", EmptyList),
        ("include_stop_str_in_output", False),
        ("logit_bias", EmptyObject),
        ("min_tokens", Zero),
        ("modalities", TextOnly),
        ("presence_penalty", Zero),
        ("prompt_logprobs", Never),
        ("repetition_penalty", One),
        ("response_format", TextFormat),
        ("skip_special_tokens", True),
        ("stop_token_ids", EmptyList),
        ("suffix", EmptyText),
        ("tool_choice", NoneOrAuto),
        ("tools", EmptyList),
        ("use_beam_search", False),
    ];

    /// <summary>Refuses a request that asks for what is not supported.</summary>
    /// <param name="fields">The request.</param>
    /// <exception cref="Errors.ApiException">Names the first such field.</exception>
    public static void Check(JsonFields fields)
    {
        foreach (var (field, neutral) in Fields)
        {
            if (fields.TryGet(field, out var value) && !neutral.Holds(value))
                throw JsonFields.Wrong($"{field} is not supported: it", value, $"absent or {neutral.Text}", fields.PathOf(field));
        }
    }

    private static bool IsNumber(JsonElement value, double number) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var found) && found == number;

    /// <summary>A value that asks for nothing.</summary>
    /// <param name="Text">How it is written.</param>
    /// <param name="Test">Whether a value of the right kind is such.</param>
    /// <param name="Kind">The right kind, or null when the test tells.</param>
    private sealed record Neutral(string Text, Func<JsonElement, bool> Test, JsonValueKind? Kind = null)
    {
        public bool Holds(JsonElement value) => (Kind is null || value.ValueKind == Kind) && Test(value);
    }
}
