using System.Globalization;
using System.Text.Json;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Tools;
using Llama.Gateway.Api.Writing;

namespace Llama.Gateway.Api.Ollama;

/// <summary>Writes Ollama's answers, whole or a line after the other.</summary>
/// <param name="model">The model's name.</param>
/// <param name="isChat">Whether the answer is a message; else it is a text.</param>
/// <param name="time">Stamps the objects.</param>
/// <param name="answer">The answer; null where there is none but that the model is loaded.</param>
internal sealed class OllamaWriter(string model, bool isChat, TimeProvider time, RunningAnswer? answer) : IAnswerWriter
{
    /// <summary>How an answer's id begins; none is told.</summary>
    public const string IdPrefix = "ollama-";

    private const double NanosecondsPerSecond = 1e9;

    private readonly List<ToolCallPart> calls = [];
    private string? finish;

    /// <inheritdoc/>
    public ValueTask WritePieceAsync(JsonStream stream, ChoicePiece piece, CancellationToken cancellationToken)
    {
        Append(piece);
        return piece.Text.Length > 0 || piece.Reasoning.Length > 0
            ? stream.WriteAsync((this, piece), static (json, part) => part.Item1.WritePart(json, part.piece.Text, part.piece.Reasoning, []), cancellationToken)
            : ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public async ValueTask WriteEndAsync(JsonStream stream, CancellationToken cancellationToken)
    {
        // Ollama's clients read a call as a whole.
        if (calls.Count > 0)
            await stream.WriteAsync(this, static (json, writer) => writer.WritePart(json, "", "", ToolCallPart.Join(writer.calls)), cancellationToken);
        await stream.WriteAsync(this, static (json, writer) => writer.WriteLast(json, "", "", []), cancellationToken);
    }

    /// <inheritdoc/>
    public void WriteWhole(Utf8JsonWriter json, IReadOnlyList<IReadOnlyList<ChoicePiece>> choices)
    {
        var pieces = choices[0];
        foreach (var piece in pieces) Append(piece);
        WriteLast(
            json, string.Concat(pieces.Select(piece => piece.Text)), string.Concat(pieces.Select(piece => piece.Reasoning)), ToolCallPart.Join(calls));
    }

    /// <summary>Writes that the model is loaded.</summary>
    /// <param name="json">Where to.</param>
    public void WriteLoaded(Utf8JsonWriter json) => WriteLast(json, "", "", []);

    /// <summary>A time as Ollama writes it (RFC 3339).</summary>
    /// <param name="moment">The time.</param>
    public static string Stamp(DateTimeOffset moment) => moment.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);

    /// <summary>Writes a time as Ollama does.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="name">The member.</param>
    /// <param name="seconds">The time in seconds.</param>
    public static void WriteNanoseconds(Utf8JsonWriter json, string name, double seconds) => json.WriteNumber(name, (long)(seconds * NanosecondsPerSecond));

    private void Append(ChoicePiece piece)
    {
        calls.AddRange(piece.Calls);
        finish = piece.Finish;
    }

    private void WritePart(Utf8JsonWriter json, string text, string thinking, IReadOnlyList<ToolCallPart> parts)
    {
        WriteStart(json, text, thinking, parts);
        json.WriteBoolean("done", false);
        json.WriteEndObject();
    }

    private void WriteLast(Utf8JsonWriter json, string text, string thinking, IReadOnlyList<ToolCallPart> parts)
    {
        WriteStart(json, text, thinking, parts);
        json.WriteBoolean("done", true);
        json.WriteString("done_reason", answer is null ? "load" : finish == "length" ? "length" : "stop");
        if (answer is not null) WriteCounts(json, answer);
        json.WriteEndObject();
    }

    private static void WriteCounts(Utf8JsonWriter json, RunningAnswer answer)
    {
        WriteNanoseconds(json, "total_duration", answer.Served.Seconds);
        WriteNanoseconds(json, "load_duration", 0);
        json.WriteNumber("prompt_eval_count", answer.Usage.PromptTokens);
        WriteNanoseconds(json, "prompt_eval_duration", answer.Served.SecondsToFirst ?? 0);
        json.WriteNumber("eval_count", answer.Usage.CompletionTokens);
        WriteNanoseconds(json, "eval_duration", answer.Served.SecondsAfterFirst);
    }

    private void WriteStart(Utf8JsonWriter json, string text, string thinking, IReadOnlyList<ToolCallPart> parts)
    {
        json.WriteStartObject();
        json.WriteString("model", model);
        json.WriteString("created_at", Stamp(time.GetUtcNow()));
        if (!isChat)
        {
            json.WriteString("response", text);
            if (thinking.Length > 0) json.WriteString("thinking", thinking);
            return;
        }

        json.WriteStartObject("message");
        json.WriteString("role", "assistant");
        json.WriteString("content", text);
        if (thinking.Length > 0) json.WriteString("thinking", thinking);
        if (parts.Count > 0) WriteCalls(json, parts);
        json.WriteEndObject();
    }

    private static void WriteCalls(Utf8JsonWriter json, IReadOnlyList<ToolCallPart> whole)
    {
        json.WriteStartArray("tool_calls");
        foreach (var call in whole)
        {
            json.WriteStartObject();
            json.WriteStartObject("function");
            json.WriteString("name", call.Name);
            json.WritePropertyName("arguments");
            CallArguments.WriteObject(json, call.Arguments);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
