using System.Text.Json;
using Llama.Gateway.Api.Generation;

namespace Llama.Gateway.Api.Responses;

/// <summary>Writes a block as an item of a response's <c>output</c>, with its one part where it has one, and what events tell of both.</summary>
/// <param name="responseId">The response's id, of which the item's is made: who gets the answer again gets the same.</param>
/// <param name="block">The block.</param>
internal readonly struct ResponseItems(string responseId, AnswerBlock block)
{
    private const string InProgress = "in_progress";

    /// <summary>Whether the item has a part; a call has none.</summary>
    public bool HasPart => block.Kind != BlockKind.Call;

    /// <summary>How the names of the events begin that tell the text, or a call's arguments.</summary>
    public string TextEvent => block.Kind switch
    {
        BlockKind.Reasoning => "response.reasoning_text",
        BlockKind.Call => "response.function_call_arguments",
        _ => "response.output_text",
    };

    private bool IsReasoning => block.Kind == BlockKind.Reasoning;

    private string Id => $"{(IsReasoning ? "rs_" : HasPart ? "msg_" : "fc_")}{responseId[ResponseWriter.IdPrefix.Length..]}{block.Index}";

    /// <summary>Writes that the item is there, still empty.</summary>
    /// <param name="json">Where to.</param>
    public void WriteAdded(Utf8JsonWriter json) => WriteEvent(json, InProgress, isEmpty: true);

    /// <summary>Writes that the item is complete.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="status">Its status.</param>
    public void WriteDone(Utf8JsonWriter json, string status) => WriteEvent(json, status, isEmpty: false);

    /// <summary>Writes the part, still empty or complete.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="isComplete">Whether it is.</param>
    public void WritePart(Utf8JsonWriter json, bool isComplete)
    {
        WritePlace(json);
        json.WritePropertyName("part");
        WritePartValue(json, isComplete ? block.Text : "");
    }

    /// <summary>Writes what the text, or a call's arguments, have got.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="delta">The text.</param>
    public void WriteDelta(Utf8JsonWriter json, string delta) => WriteText(json, "delta", delta);

    /// <summary>Writes the whole text, or a call's arguments.</summary>
    /// <param name="json">Where to.</param>
    public void WriteText(Utf8JsonWriter json)
    {
        WriteText(json, HasPart ? "text" : "arguments", block.Text);
        if (!HasPart) json.WriteString("name", block.Name);
    }

    /// <summary>Writes the item.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="status">Its status.</param>
    public void WriteItem(Utf8JsonWriter json, string status) => WriteItem(json, status, isEmpty: false);

    private void WriteEvent(Utf8JsonWriter json, string status, bool isEmpty)
    {
        json.WriteNumber("output_index", block.Index);
        json.WritePropertyName("item");
        WriteItem(json, status, isEmpty);
    }

    private void WriteItem(Utf8JsonWriter json, string status, bool isEmpty)
    {
        json.WriteStartObject();
        json.WriteString("id", Id);
        json.WriteString("type", IsReasoning ? "reasoning" : HasPart ? "message" : "function_call");
        json.WriteString("status", status);
        if (!HasPart)
        {
            json.WriteString("call_id", block.CallId);
            json.WriteString("name", block.Name);
            json.WriteString("arguments", isEmpty ? "" : block.Text);
            json.WriteEndObject();
            return;
        }

        if (IsReasoning)
        {
            json.WriteStartArray("summary");
            json.WriteEndArray();
        }
        else
        {
            json.WriteString("role", "assistant");
        }

        json.WriteStartArray("content");
        if (!isEmpty) WritePartValue(json, block.Text);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteText(Utf8JsonWriter json, string name, string text)
    {
        WritePlace(json);
        json.WriteString(name, text);
        if (block.Kind == BlockKind.Text) WriteNone(json, "logprobs");
    }

    private void WritePlace(Utf8JsonWriter json)
    {
        json.WriteString("item_id", Id);
        json.WriteNumber("output_index", block.Index);
        if (HasPart) json.WriteNumber("content_index", 0);
    }

    private void WritePartValue(Utf8JsonWriter json, string text)
    {
        json.WriteStartObject();
        json.WriteString("type", IsReasoning ? "reasoning_text" : "output_text");
        json.WriteString("text", text);
        if (!IsReasoning)
        {
            WriteNone(json, "annotations");
            WriteNone(json, "logprobs");
        }

        json.WriteEndObject();
    }

    private static void WriteNone(Utf8JsonWriter json, string name)
    {
        json.WriteStartArray(name);
        json.WriteEndArray();
    }
}
