using System.Text.Json.Serialization;
using Llama.Tests;

namespace Llama.Cluster.Tests.Clients;

/// <summary>A completion of token ids with token ids, end tokens ignored: a checkpoint needs no tokenizer for it.</summary>
internal sealed record TokenRequest
{
    [JsonPropertyName("prompt")]
    public required IReadOnlyList<int> Prompt { get; init; }

    [JsonPropertyName("max_tokens")]
    public required int MaxTokens { get; init; }

    [JsonPropertyName("temperature")]
    public float Temperature { get; init; }

    [JsonPropertyName("seed")]
    public long Seed { get; init; }

    [JsonPropertyName("frequency_penalty")]
    public float FrequencyPenalty { get; init; }

    [JsonPropertyName("repetition_penalty")]
    public float RepetitionPenalty { get; init; } = 1;

    [JsonPropertyName("n")]
    public int Choices { get; init; } = 1;

    [JsonPropertyName("stream")]
    public bool Stream { get; init; }

    [JsonPropertyName("ignore_eos")]
    public bool IgnoreEnd { get; } = true;

    [JsonPropertyName("return_token_ids")]
    public bool ReturnTokenIds { get; } = true;

    /// <summary>
    /// Eight requests of the shipped model, greedy and seeded, the last of each prompt with penalties, long enough to be disturbed on the way.
    /// </summary>
    public static TokenRequest[] GreedyAndSeeded() =>
    [
        .. from golden in GoldenTokens.Read(Path.Combine(TestPaths.TinyStories, "golden.json")).Take(2)
           from seed in Enumerable.Range(0, 4)
           select new TokenRequest
           {
               Prompt = golden.Prompt,
               MaxTokens = 230,
               Temperature = seed == 0 ? 0 : 1,
               Seed = seed,
               FrequencyPenalty = seed == 3 ? 0.5f : 0,
               RepetitionPenalty = seed == 3 ? 1.1f : 1,
           },
    ];
}
