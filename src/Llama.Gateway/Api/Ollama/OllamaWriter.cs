using System.Globalization;
using System.Text.Json;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Tools;

namespace Llama.Gateway.Api.Ollama;

/// <summary>Writes Ollama's answers, whole or a line after the other.</summary>
/// <param name="model">The model's name.</param>
/// <param name="isChat">Whether the answer is a message; else it is a text.</param>
/// <param name="time">Stamps the objects.</param>
internal sealed class OllamaWriter(string model, bool isChat, TimeProvider time)
{
    private const double NanosecondsPerSecond = 1e9;

    /// <summary>Writes some of an answer.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="text">The text.</param>
    /// <param name="thinking">What the model thought before it.</param>
    /// <param name="calls">The calls that it makes, whole.</param>
    public void WritePart(Utf8JsonWriter json, string text, string thinking, IReadOnlyList<ToolCallPart> calls)
    {
        WriteStart(json, text, thinking, calls);
        json.WriteBoolean("done", false);
        json.WriteEndObject();
    }

    /// <summary>Writes the last object of an answer, or all of it.</summary>
    /// <inheritdoc cref="WritePart"/>
    /// <param name="json">Where to.</param>
    /// <param name="text">The text.</param>
    /// <param name="thinking">What the model thought before it.</param>
    /// <param name="calls">The calls that it makes, whole.</param>
    /// <param name="finish">Why it is complete.</param>
    /// <param name="answer">What was measured.</param>
    public void WriteLast(
        Utf8JsonWriter json, string text, string thinking, IReadOnlyList<ToolCallPart> calls, string? finish, RunningAnswer answer)
    {
        WriteStart(json, text, thinking, calls);
        json.WriteBoolean("done", true);
        json.WriteString("done_reason", finish == "length" ? "length" : "stop");
        WriteNanoseconds(json, "total_duration", answer.Served.Seconds);
        WriteNanoseconds(json, "load_duration", 0);
        json.WriteNumber("prompt_eval_count", answer.Usage.PromptTokens);
        WriteNanoseconds(json, "prompt_eval_duration", answer.Served.SecondsToFirst ?? 0);
        json.WriteNumber("eval_count", answer.Usage.CompletionTokens);
        WriteNanoseconds(json, "eval_duration", answer.Served.SecondsAfterFirst);
        json.WriteEndObject();
    }

    /// <summary>Writes that the model is loaded.</summary>
    /// <param name="json">Where to.</param>
    public void WriteLoaded(Utf8JsonWriter json)
    {
        WriteStart(json, "", "", []);
        json.WriteBoolean("done", true);
        json.WriteString("done_reason", "load");
        json.WriteEndObject();
    }

    /// <summary>A time as Ollama writes it (RFC 3339).</summary>
    /// <param name="moment">The time.</param>
    public static string Stamp(DateTimeOffset moment) => moment.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);

    /// <summary>Writes a time as Ollama does.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="name">The member.</param>
    /// <param name="seconds">The time in seconds.</param>
    public static void WriteNanoseconds(Utf8JsonWriter json, string name, double seconds) => json.WriteNumber(name, (long)(seconds * NanosecondsPerSecond));

    private void WriteStart(Utf8JsonWriter json, string text, string thinking, IReadOnlyList<ToolCallPart> calls)
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
        if (calls.Count > 0) WriteCalls(json, calls);
        json.WriteEndObject();
    }

    private static void WriteCalls(Utf8JsonWriter json, IReadOnlyList<ToolCallPart> calls)
    {
        json.WriteStartArray("tool_calls");
        foreach (var call in calls)
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
