using System.Buffers;
using System.Text.Json;
using Llama.Gateway.Api.Chat;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Writing;
using Llama.Model.Chat;
using Llama.Model.Chat.Tools;
using Microsoft.AspNetCore.Http.Features;

namespace Llama.Gateway.Api.Responses;

/// <summary>Writes OpenAI's response objects and the events of their streams, and has them kept.</summary>
/// <param name="request">What was asked.</param>
/// <param name="model">The model's name.</param>
/// <param name="answer">The answer.</param>
/// <param name="store">Keeps responses.</param>
/// <param name="features">Those of the HTTP request, which learn how a stream tells of an error.</param>
internal sealed class ResponseWriter(ResponseRequest request, string model, RunningAnswer answer, ResponseStore store, IFeatureCollection features)
    : IAnswerWriter, IErrorForm
{
    /// <summary>How a response's id begins.</summary>
    public const string IdPrefix = "resp_";

    private readonly AnswerUsage usage = new(request.Plan);
    private readonly AnswerBlocks blocks = new(answer.Id);
    private string? finish;
    private int sequence;

    /// <inheritdoc/>
    string? IErrorForm.EventName => "error";

    private bool IsIncomplete => finish == "length";

    private string Status => finish is null ? "in_progress" : IsIncomplete ? "incomplete" : "completed";

    /// <inheritdoc/>
    public async ValueTask WritePieceAsync(ServerSentEvents events, ChoicePiece piece, CancellationToken cancellationToken)
    {
        if (piece.Position == 0)
        {
            features.Set<IErrorForm>(this);
            await SendAsync(events, "response.created", WriteResponse, cancellationToken);
            await SendAsync(events, "response.in_progress", WriteResponse, cancellationToken);
        }

        foreach (var change in Append(piece)) await SendAsync(events, change, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask WriteEndAsync(ServerSentEvents events, CancellationToken cancellationToken)
    {
        var whole = Render();
        return SendAsync(events, IsIncomplete ? "response.incomplete" : "response.completed", json => WriteRaw(json, whole), cancellationToken);
    }

    /// <inheritdoc/>
    public void WriteWhole(Utf8JsonWriter json, IReadOnlyList<IReadOnlyList<ChoicePiece>> choices)
    {
        foreach (var piece in choices[0]) Append(piece);
        json.WriteRawValue(Render().Span, skipInputValidation: true);
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter json, ApiException error, string requestId) => JsonAnswer.WriteError(json, error);

    /// <inheritdoc/>
    public void WriteEvent(Utf8JsonWriter json, ApiException error, string requestId)
    {
        json.WriteStartObject();
        json.WriteString("type", "error");
        json.WriteNumber("sequence_number", sequence++);
        json.WriteString("code", error.Code ?? error.Type);
        json.WriteString("message", error.Message);
        json.WriteString("param", error.Param);

        // Some clients look for it here.
        json.WritePropertyName("error");
        JsonAnswer.WriteErrorValue(json, error);
        json.WriteEndObject();
    }

    private IReadOnlyList<BlockChange> Append(ChoicePiece piece)
    {
        usage.Count(piece);
        var changes = blocks.Append(piece);
        finish = piece.Finish;
        return changes;
    }

    /// <summary>The complete response, which is kept before anybody has it.</summary>
    private ReadOnlyMemory<byte> Render()
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes, JsonAnswer.Options)) WriteResponseValue(json);
        if (request.Store)
        {
            store.Keep(new KeptResponse(answer.Id, request.Client, [.. request.Conversation, Message()], bytes.WrittenMemory));
        }

        return bytes.WrittenMemory;
    }

    /// <summary>The answer as a message of the conversation.</summary>
    private ChatMessage Message()
    {
        var text = blocks.TextOf(BlockKind.Text);
        ToolCall[] calls = [.. blocks.All.Where(block => block.Kind == BlockKind.Call).Select(block => new ToolCall(block.CallId, block.Name, block.Text))];
        var message = calls.Length == 0 ? new ChatMessage("assistant", text) : ToolMessages.Calling(text.Length == 0 ? null : text, calls);
        return ChatMessages.WithReasoning(message, blocks.TextOf(BlockKind.Reasoning));
    }

    private ValueTask SendAsync(ServerSentEvents events, string type, Action<Utf8JsonWriter> write, CancellationToken cancellationToken) => events.WriteAsync(
        (type, sequence: sequence++, write),
        static (json, told) =>
        {
            json.WriteStartObject();
            json.WriteString("type", told.type);
            json.WriteNumber("sequence_number", told.sequence);
            told.write(json);
            json.WriteEndObject();
        },
        cancellationToken, type);

    private async ValueTask SendAsync(ServerSentEvents events, BlockChange change, CancellationToken cancellationToken)
    {
        var (step, block, delta) = change;
        var items = new ResponseItems(answer.Id, block);
        var isComplete = step == BlockStep.End;
        switch (step)
        {
            case BlockStep.Begin:
                await SendAsync(events, "response.output_item.added", json => items.WriteAdded(json), cancellationToken);
                if (items.HasPart) await SendAsync(events, "response.content_part.added", json => items.WritePart(json, isComplete), cancellationToken);
                break;
            case BlockStep.Grow:
                await SendAsync(events, $"{items.TextEvent}.delta", json => items.WriteDelta(json, delta), cancellationToken);
                break;
            default:
                await SendAsync(events, $"{items.TextEvent}.done", json => items.WriteText(json), cancellationToken);
                if (items.HasPart) await SendAsync(events, "response.content_part.done", json => items.WritePart(json, isComplete), cancellationToken);
                await SendAsync(events, "response.output_item.done", json => items.WriteDone(json, StatusOf(block)), cancellationToken);
                break;
        }
    }

    private string StatusOf(AnswerBlock block) => IsIncomplete && block == blocks.All[^1] ? "incomplete" : "completed";

    private void WriteResponse(Utf8JsonWriter json)
    {
        json.WritePropertyName("response");
        WriteResponseValue(json);
    }

    private static void WriteRaw(Utf8JsonWriter json, ReadOnlyMemory<byte> response)
    {
        json.WritePropertyName("response");
        json.WriteRawValue(response.Span, skipInputValidation: true);
    }

    private void WriteResponseValue(Utf8JsonWriter json)
    {
        var plan = request.Plan;
        json.WriteStartObject();
        json.WriteString("id", answer.Id);
        json.WriteString("object", "response");
        json.WriteNumber("created_at", answer.Created.ToUnixTimeSeconds());
        json.WriteString("status", Status);
        json.WriteBoolean("background", false);
        json.WriteNull("error");
        if (IsIncomplete)
        {
            json.WriteStartObject("incomplete_details");
            json.WriteString("reason", "max_output_tokens");
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("incomplete_details");
        }

        json.WriteString("instructions", request.Instructions);
        if (plan.Parameters.MaxTokens is { } most) json.WriteNumber("max_output_tokens", most);
        else json.WriteNull("max_output_tokens");
        json.WriteString("model", model);
        json.WriteStartArray("output");
        if (finish is not null)
        {
            foreach (var block in blocks.All) new ResponseItems(answer.Id, block).WriteItem(json, StatusOf(block));
        }

        json.WriteEndArray();
        json.WriteBoolean("parallel_tool_calls", plan.Parameters.Tools?.Parallel ?? true);
        json.WriteString("previous_response_id", request.PreviousId);
        json.WriteStartObject("reasoning");
        json.WriteNull("effort");
        json.WriteNull("summary");
        json.WriteEndObject();
        json.WriteNumber("seed", (long)plan.Choices[0].Request.Seed);
        json.WriteString("service_tier", "default");
        json.WriteBoolean("store", request.Store);
        json.WriteNumber("temperature", plan.Parameters.Sampling.Temperature);
        json.WritePropertyName("text");
        WriteTextForm(json);
        json.WritePropertyName("tool_choice");
        if (request.ToolChoice is { } choice) choice.WriteTo(json);
        else json.WriteStringValue("auto");
        json.WritePropertyName("tools");
        if (request.Tools is { } tools) tools.WriteTo(json);
        else json.WriteRawValue("[]");
        json.WriteNumber("top_logprobs", 0);
        json.WriteNumber("top_p", plan.Parameters.Sampling.TopP);
        json.WriteString("truncation", "disabled");
        json.WritePropertyName("metadata");
        if (request.Metadata is { } metadata) metadata.WriteTo(json);
        else WriteEmpty(json);
        json.WritePropertyName("usage");
        if (finish is null) json.WriteNullValue();
        else WriteUsage(json);
        json.WriteEndObject();
    }

    private void WriteTextForm(Utf8JsonWriter json)
    {
        if (request.Text is { } text && text.TryGetProperty("format", out var format) && format.ValueKind != JsonValueKind.Null)
        {
            text.WriteTo(json);
            return;
        }

        json.WriteStartObject();
        json.WriteStartObject("format");
        json.WriteString("type", "text");
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteEmpty(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteEndObject();
    }

    private void WriteUsage(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteNumber("input_tokens", usage.PromptTokens);
        json.WriteStartObject("input_tokens_details");
        json.WriteNumber("cached_tokens", usage.CachedTokens);
        json.WriteEndObject();
        json.WriteNumber("output_tokens", usage.CompletionTokens);
        json.WriteStartObject("output_tokens_details");
        json.WriteNumber("reasoning_tokens", usage.ReasoningTokens);
        json.WriteEndObject();
        json.WriteNumber("total_tokens", usage.PromptTokens + usage.CompletionTokens);
        json.WriteEndObject();
    }
}
