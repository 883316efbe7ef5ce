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

    private readonly AnswerBlocks blocks = new(answer.Id);
    private readonly ResponseObject response = new(request, model, answer);
    private int sequence;

    /// <inheritdoc/>
    string? IErrorForm.EventName => "error";

    /// <inheritdoc/>
    public async ValueTask WritePieceAsync(JsonStream stream, ChoicePiece piece, CancellationToken cancellationToken)
    {
        if (piece.Position == 0)
        {
            features.Set<IErrorForm>(this);
            await SendAsync(stream, "response.created", WriteResponse, cancellationToken);
            await SendAsync(stream, "response.in_progress", WriteResponse, cancellationToken);
        }

        foreach (var change in Append(piece)) await SendAsync(stream, change, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask WriteEndAsync(JsonStream stream, CancellationToken cancellationToken)
    {
        var whole = Render();
        return SendAsync(stream, $"response.{response.Status}", json => WriteRaw(json, whole), cancellationToken);
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
        var changes = blocks.Append(piece);
        response.Finish = piece.Finish;
        return changes;
    }

    /// <summary>The complete response, which is kept before anybody has it.</summary>
    private ReadOnlyMemory<byte> Render()
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes, JsonAnswer.Options)) response.Write(json, blocks.All);
        if (request.Store)
            store.Keep(new KeptResponse(answer.Id, request.Client, [.. request.Conversation, Message()], bytes.WrittenSpan.ToArray()));
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

    private ValueTask SendAsync(JsonStream stream, string type, Action<Utf8JsonWriter> write, CancellationToken cancellationToken) => stream.WriteAsync(
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

    private async ValueTask SendAsync(JsonStream stream, BlockChange change, CancellationToken cancellationToken)
    {
        var (step, block, delta) = change;
        var items = new ResponseItems(answer.Id, block);
        var isComplete = step == BlockStep.End;
        switch (step)
        {
            case BlockStep.Begin:
                await SendAsync(stream, "response.output_item.added", json => items.WriteAdded(json), cancellationToken);
                if (items.HasPart) await SendAsync(stream, "response.content_part.added", json => items.WritePart(json, isComplete), cancellationToken);
                break;
            case BlockStep.Grow:
                await SendAsync(stream, $"{items.TextEvent}.delta", json => items.WriteDelta(json, delta), cancellationToken);
                break;
            default:
                await SendAsync(stream, $"{items.TextEvent}.done", json => items.WriteText(json), cancellationToken);
                if (items.HasPart) await SendAsync(stream, "response.content_part.done", json => items.WritePart(json, isComplete), cancellationToken);
                await SendAsync(stream, "response.output_item.done", json => items.WriteDone(json, response.StatusOf(block, blocks.All)), cancellationToken);
                break;
        }
    }

    private void WriteResponse(Utf8JsonWriter json)
    {
        json.WritePropertyName("response");
        response.Write(json, blocks.All);
    }

    private static void WriteRaw(Utf8JsonWriter json, ReadOnlyMemory<byte> whole)
    {
        json.WritePropertyName("response");
        json.WriteRawValue(whole.Span, skipInputValidation: true);
    }
}
