using System.Text.Json;
using Llama.Gateway.Api.Generation;

namespace Llama.Gateway.Api.Completions;

/// <summary>Writes OpenAI's completion objects.</summary>
/// <param name="model">Names tokens.</param>
internal sealed class CompletionFormat(ServedModel model) : IAnswerFormat
{
    /// <inheritdoc/>
    public string IdPrefix => "cmpl-";

    /// <inheritdoc/>
    public string WholeObject => "text_completion";

    /// <inheritdoc/>
    public string PartObject => "text_completion";

    /// <inheritdoc/>
    public bool PromptInChoice => true;

    /// <inheritdoc/>
    public void WriteText(Utf8JsonWriter json, string text, string reasoning, IReadOnlyList<WrittenCall> calls, AnswerPart part) =>
        json.WriteString("text", text);

    /// <inheritdoc/>
    public void WriteLogProbabilities(Utf8JsonWriter json, IReadOnlyList<ChoicePiece> pieces)
    {
        json.WriteStartArray("tokens");
        foreach (var piece in pieces) json.WriteStringValue(model.TokenName(piece.Token.Sampled.Token));
        json.WriteEndArray();
        json.WriteStartArray("token_logprobs");
        foreach (var piece in pieces)
        {
            if (LogProbability.IsTold(piece.Token.Sampled)) json.WriteNumberValue(LogProbability.Finite(piece.Token.Sampled));
            else json.WriteNullValue();
        }

        json.WriteEndArray();
        json.WriteStartArray("top_logprobs");
        foreach (var piece in pieces) WriteTopLogprobs(json, piece);
        json.WriteEndArray();
        json.WriteStartArray("text_offset");
        foreach (var piece in pieces) json.WriteNumberValue(piece.TextOffset);
        json.WriteEndArray();
    }

    // An object by token, the sampled one always among them. Tokens of half a character may share a name: the most probable keeps it.
    private void WriteTopLogprobs(Utf8JsonWriter json, ChoicePiece piece)
    {
        if (!LogProbability.IsTold(piece.Token.Sampled))
        {
            json.WriteNullValue();
            return;
        }

        var written = new HashSet<string>(StringComparer.Ordinal);
        json.WriteStartObject();
        foreach (var logprob in piece.Token.TopLogprobs.Append(piece.Token.Sampled))
        {
            var name = model.TokenName(logprob.Token);
            if (written.Add(name)) json.WriteNumber(name, LogProbability.Finite(logprob));
        }

        json.WriteEndObject();
    }
}
