using System.Text.Json.Nodes;

namespace Llama.Bench.Schemas;

/// <summary>A random schema, and how an answer to it is asked for.</summary>
/// <param name="Schema">The schema.</param>
/// <param name="Body">The request.</param>
internal sealed record SchemaRequest(JsonNode Schema, JsonObject Body)
{
    private const int PromptTokens = 8;

    // Every vocabulary has these: single bytes, in SentencePiece's and in tiktoken's.
    private const int FirstToken = 10;
    private const int EndToken = 250;

    /// <summary>Makes a request; the same seed makes the same one.</summary>
    /// <param name="seed">Decides all.</param>
    /// <param name="generate">Most tokens of the answer.</param>
    public static SchemaRequest Make(int seed, int generate)
    {
        var random = new Random(seed);
        JsonNode schema = RandomSchemas.Make(random);
        var prompt = new JsonArray();
        for (int i = 0; i < PromptTokens; i++) prompt.Add(random.Next(FirstToken, EndToken));
        return new SchemaRequest(schema, new JsonObject
        {
            ["prompt"] = prompt,
            ["max_tokens"] = generate,
            ["temperature"] = random.Next(4) * 0.5,
            ["top_p"] = random.Next(2) == 0 ? 1 : 0.9,
            ["seed"] = seed,
            ["stream"] = true,
            ["return_token_ids"] = true,
            ["json_schema"] = schema.DeepClone(),
        });
    }
}
