using System.Text.Json;
using Llama.Gateway.Api.Generation;
using Llama.Model.Sampling;

namespace Llama.Gateway.Api.Chat;

/// <summary>Writes OpenAI's chat completion objects.</summary>
/// <param name="model">Names tokens.</param>
internal sealed class ChatFormat(ServedModel model) : IAnswerFormat
{
    /// <inheritdoc/>
    public string IdPrefix => "chatcmpl-";

    /// <inheritdoc/>
    public string WholeObject => "chat.completion";

    /// <inheritdoc/>
    public string PartObject => "chat.completion.chunk";

    /// <inheritdoc/>
    public bool PromptInChoice => false;

    /// <inheritdoc/>
    public void WriteText(Utf8JsonWriter json, string text, string reasoning, IReadOnlyList<WrittenCall> calls, AnswerPart part)
    {
        json.WriteStartObject(part == AnswerPart.Whole ? "message" : "delta");
        if (part != AnswerPart.Later) json.WriteString("role", "assistant");

        // DeepSeek's member. A part of a stream has either, except where one ends and the other begins.
        if (reasoning.Length > 0) json.WriteString("reasoning_content", reasoning);
        if (text.Length > 0 || (calls.Count == 0 && (part == AnswerPart.Whole || reasoning.Length == 0))) json.WriteString("content", text);
        else if (part == AnswerPart.Whole) json.WriteNull("content");
        if (calls.Count > 0) WriteCalls(json, calls, part);
        if (part == AnswerPart.Whole) json.WriteNull("refusal");
        json.WriteEndObject();
    }

    private static void WriteCalls(Utf8JsonWriter json, IReadOnlyList<WrittenCall> calls, AnswerPart part)
    {
        json.WriteStartArray("tool_calls");
        foreach (var (id, call) in calls)
        {
            json.WriteStartObject();
            if (part != AnswerPart.Whole) json.WriteNumber("index", call.Index);
            if (id is not null)
            {
                json.WriteString("id", id);
                json.WriteString("type", "function");
            }

            json.WriteStartObject("function");
            if (call.Name is not null) json.WriteString("name", call.Name);
            json.WriteString("arguments", call.Arguments);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <inheritdoc/>
    public void WriteLogProbabilities(Utf8JsonWriter json, IReadOnlyList<ChoicePiece> pieces)
    {
        json.WriteStartArray("content");
        foreach (var piece in pieces)
        {
            json.WriteStartObject();
            WriteLogprob(json, piece.Token.Sampled);
            json.WriteStartArray("top_logprobs");
            foreach (var logprob in piece.Token.TopLogprobs)
            {
                json.WriteStartObject();
                WriteLogprob(json, logprob);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteNull("refusal");
    }

    private void WriteLogprob(Utf8JsonWriter json, TokenLogprob logprob)
    {
        json.WriteString("token", model.TokenName(logprob.Token));
        json.WriteNumber("logprob", LogProbability.Finite(logprob));
        json.WriteStartArray("bytes");
        foreach (var value in model.TokenBytes(logprob.Token)) json.WriteNumberValue(value);
        json.WriteEndArray();
    }
}
