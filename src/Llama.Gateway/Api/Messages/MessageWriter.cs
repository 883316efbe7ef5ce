using System.Text.Json;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Tools;
using Llama.Gateway.Api.Writing;

namespace Llama.Gateway.Api.Messages;

/// <summary>Writes Anthropic's message objects and the events of their streams.</summary>
/// <param name="plan">What was asked: one choice.</param>
/// <param name="model">The model's name.</param>
/// <param name="answer">The answer.</param>
internal sealed class MessageWriter(GenerationPlan plan, string model, RunningAnswer answer) : IAnswerWriter
{
    /// <summary>How a message's id begins.</summary>
    public const string IdPrefix = "msg_";

    private const string StopSequence = "stop_sequence";

    private readonly AnswerBlocks blocks = new(answer.Id);
    private ChoicePiece? last;

    private string? StopReason => last switch
    {
        null or { Finish: null } => null,
        { Finish: "tool_calls" } => "tool_use",
        { StoppedBy: not null } => StopSequence,
        { Finish: "length" } => "max_tokens",
        _ => "end_turn",
    };

    /// <inheritdoc/>
    public async ValueTask WritePieceAsync(JsonStream stream, ChoicePiece piece, CancellationToken cancellationToken)
    {
        var changes = Append(piece);
        if (piece.Position == 0)
        {
            await SendAsync(stream, "message_start", WriteStart, cancellationToken);
            await SendAsync(stream, "ping", _ => { }, cancellationToken);
        }

        foreach (var change in changes) await SendAsync(stream, change, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask WriteEndAsync(JsonStream stream, CancellationToken cancellationToken)
    {
        await SendAsync(stream, "message_delta", WriteEnd, cancellationToken);
        await SendAsync(stream, "message_stop", _ => { }, cancellationToken);
    }

    /// <inheritdoc/>
    public void WriteWhole(Utf8JsonWriter json, IReadOnlyList<IReadOnlyList<ChoicePiece>> choices)
    {
        foreach (var piece in choices[0]) Append(piece);
        WriteMessage(json, blocks.All);
    }

    private IReadOnlyList<BlockChange> Append(ChoicePiece piece)
    {
        last = piece;
        return blocks.Append(piece);
    }

    private static ValueTask SendAsync(JsonStream stream, string type, Action<Utf8JsonWriter> write, CancellationToken cancellationToken) => stream.WriteAsync(
        (type, write),
        static (json, told) =>
        {
            json.WriteStartObject();
            json.WriteString("type", told.type);
            told.write(json);
            json.WriteEndObject();
        },
        cancellationToken, type);

    private static ValueTask SendAsync(JsonStream stream, BlockChange change, CancellationToken cancellationToken)
    {
        var (step, block, delta) = change;
        return step switch
        {
            BlockStep.Begin => SendAsync(stream, "content_block_start", json => WriteBlockStart(json, block), cancellationToken),
            BlockStep.Grow => SendAsync(stream, "content_block_delta", json => WriteDelta(json, block, delta), cancellationToken),
            _ => SendAsync(stream, "content_block_stop", json => json.WriteNumber("index", block.Index), cancellationToken),
        };
    }

    private void WriteStart(Utf8JsonWriter json)
    {
        json.WritePropertyName("message");
        WriteMessage(json, []);
    }

    private void WriteEnd(Utf8JsonWriter json)
    {
        json.WriteStartObject("delta");
        WriteStop(json);
        json.WriteEndObject();
        WriteUsage(json);
    }

    private void WriteMessage(Utf8JsonWriter json, IReadOnlyList<AnswerBlock> content)
    {
        json.WriteStartObject();
        json.WriteString("id", answer.Id);
        json.WriteString("type", "message");
        json.WriteString("role", "assistant");
        json.WriteString("model", model);
        json.WriteStartArray("content");
        foreach (var block in content) WriteBlock(json, block, block.Text);
        json.WriteEndArray();
        WriteStop(json);
        WriteUsage(json);
        json.WriteNumber("seed", (long)plan.Choices[0].Request.Seed);
        json.WriteEndObject();
    }

    private void WriteStop(Utf8JsonWriter json)
    {
        json.WriteString("stop_reason", StopReason);
        json.WriteString("stop_sequence", StopReason == StopSequence ? last!.StoppedBy : null);
    }

    // What was cached does not count as input, as Anthropic has it.
    private void WriteUsage(Utf8JsonWriter json)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", answer.Usage.PromptTokens - answer.Usage.CachedTokens);
        json.WriteNumber("cache_creation_input_tokens", 0);
        json.WriteNumber("cache_read_input_tokens", answer.Usage.CachedTokens);
        json.WriteNumber("output_tokens", answer.Usage.CompletionTokens);
        json.WriteEndObject();
    }

    private static void WriteBlockStart(Utf8JsonWriter json, AnswerBlock block)
    {
        json.WriteNumber("index", block.Index);
        json.WritePropertyName("content_block");
        WriteBlock(json, block, "");
    }

    private static void WriteDelta(Utf8JsonWriter json, AnswerBlock block, string delta)
    {
        json.WriteNumber("index", block.Index);
        json.WriteStartObject("delta");
        var isCall = block.Kind == BlockKind.Call;
        json.WriteString("type", isCall ? "input_json_delta" : $"{NameOf(block)}_delta");
        json.WriteString(isCall ? "partial_json" : NameOf(block), delta);
        json.WriteEndObject();
    }

    private static void WriteBlock(Utf8JsonWriter json, AnswerBlock block, string text)
    {
        json.WriteStartObject();
        if (block.Kind == BlockKind.Call)
        {
            WriteCall(json, block, text);
            return;
        }

        json.WriteString("type", NameOf(block));
        json.WriteString(NameOf(block), text);

        // It would prove to Anthropic that the thinking is its model's.
        if (block.Kind == BlockKind.Reasoning) json.WriteString("signature", "");
        json.WriteEndObject();
    }

    private static void WriteCall(Utf8JsonWriter json, AnswerBlock block, string arguments)
    {
        json.WriteString("type", "tool_use");
        json.WriteString("id", block.CallId);
        json.WriteString("name", block.Name);
        json.WritePropertyName("input");
        CallArguments.WriteObject(json, arguments);
        json.WriteEndObject();
    }

    private static string NameOf(AnswerBlock block) => block.Kind == BlockKind.Reasoning ? "thinking" : "text";
}
