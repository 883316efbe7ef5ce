namespace Llama.Bench.Chaos;

/// <summary>The fixed set of requests: greedy and sampled, one choice and several, prompts that begin alike, stops, log-probabilities.</summary>
internal static class ChaosRequests
{
    /// <summary>How many there are.</summary>
    public const int Count = 40;

    private const string Shared =
        "Once upon a time there was a little girl who lived in a big house near the sea. Every day she went out to play with her dog,"
        + " and every day they found something new.";

    private static readonly string[] Tails =
    [
        " One day the dog", " \"Look!\" she said.", " Her mother", " Then it began to rain, and", " In the sand", " The dog was sad because",
    ];

    private static readonly string[] Others =
    [
        "Tom had a red ball.", "The sun was hot and", "\"I want to go home,\" said the bird.", "There was a big tree in the park.", "Lily",
    ];

    /// <summary>The body of a request.</summary>
    /// <param name="number">Its number, from 0.</param>
    /// <param name="stream">Whether the answer comes in parts.</param>
    public static IReadOnlyDictionary<string, object> Body(int number, bool stream)
    {
        var body = new Dictionary<string, object>
        {
            ["prompt"] = number % 2 == 0 ? Shared + Tails[number / 2 % Tails.Length] : Others[number / 2 % Others.Length],
            ["max_tokens"] = 8 + (number * 37 % 120),
            ["temperature"] = number % 3 == 0 ? 0 : 0.9,
            ["seed"] = number,
            ["n"] = number % 5 == 4 ? 3 : 1,
            ["return_token_ids"] = true,
            ["stream"] = stream,
        };
        if (number % 4 == 3) body["stop"] = (string[])[" and", ".\n"];
        if (number % 7 < 3) body["logprobs"] = 2;
        return body;
    }
}
