using System.Text;
using System.Text.Json;

namespace Llama.Bench.Chaos;

/// <summary>An answer put together from the whole or its parts, so that two can be compared bit by bit.</summary>
internal sealed class ChaosAnswer
{
    private readonly SortedDictionary<int, Choice> choices = [];

    /// <summary>Takes a completion object, or a part of one.</summary>
    /// <exception cref="JsonException">It is none, or tells of an error.</exception>
    public void Take(string body)
    {
        try
        {
            JsonElement answer = JsonElement.Parse(body);
            if (answer.TryGetProperty("error", out JsonElement error)) throw new JsonException($"error in the answer: {error}");
            foreach (JsonElement part in answer.GetProperty("choices").EnumerateArray())
            {
                int index = part.GetProperty("index").GetInt32();
                if (!choices.TryGetValue(index, out Choice? choice)) choices.Add(index, choice = new Choice());
                choice.Take(part);
            }
        }
        catch (Exception e) when (e is InvalidOperationException or KeyNotFoundException)
        {
            throw new JsonException($"not in OpenAI's format: {body}", e);
        }
    }

    /// <summary>Every choice: why it ended, its token ids and log-probabilities as they were written, its text.</summary>
    public override string ToString() => string.Join('\n', choices.Select(choice => $"{choice.Key}: {choice.Value}"));

    private sealed class Choice
    {
        private readonly StringBuilder text = new();
        private readonly List<string> tokens = [];
        private readonly List<string> logProbabilities = [];
        private string? finish;

        public void Take(JsonElement part)
        {
            text.Append(part.GetProperty("text").GetString());
            tokens.AddRange(part.GetProperty("token_ids").EnumerateArray().Select(token => token.GetRawText()));
            if (part.GetProperty("logprobs") is { ValueKind: JsonValueKind.Object } numbers)
                logProbabilities.AddRange(numbers.GetProperty("token_logprobs").EnumerateArray().Select(number => number.GetRawText()));
            finish = part.GetProperty("finish_reason").GetString() ?? finish;
        }

        public override string ToString() =>
            $"{finish} [{string.Join(',', tokens)}] [{string.Join(',', logProbabilities)}] {JsonSerializer.Serialize(text.ToString())}";
    }
}
