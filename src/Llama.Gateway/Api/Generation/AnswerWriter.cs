using System.Text.Json;
using Llama.Gateway.Api.Tools;
using Llama.Gateway.Api.Writing;

namespace Llama.Gateway.Api.Generation;

/// <summary>Writes an answer, whole or in parts: the members that completions and chats have in common.</summary>
/// <param name="plan">What was asked.</param>
/// <param name="format">Writes what differs.</param>
/// <param name="model">The model.</param>
/// <param name="fingerprint">What its bits depend on; see <see cref="SystemFingerprint"/>.</param>
/// <param name="answer">The answer.</param>
internal sealed class AnswerWriter(GenerationPlan plan, IAnswerFormat format, ServedModel model, string fingerprint, RunningAnswer answer) : IAnswerWriter
{
    private readonly ChoicePiece[] single = new ChoicePiece[1];
    private int finished;

    /// <summary>An id that no other answer has.</summary>
    /// <param name="prefix">How it begins.</param>
    public static string NewId(string prefix) => $"{prefix}{Guid.NewGuid():N}";

    /// <inheritdoc/>
    public ValueTask WritePieceAsync(JsonStream stream, ChoicePiece piece, CancellationToken cancellationToken) => IsWorthSending(piece)
        ? stream.WriteAsync((this, piece), static (json, part) => part.Item1.WritePart(json, part.piece), cancellationToken)
        : ValueTask.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask WriteEndAsync(JsonStream stream, CancellationToken cancellationToken)
    {
        if (plan.Parameters.IncludeUsage) await stream.WriteAsync(this, static (json, writer) => writer.WriteUsagePart(json), cancellationToken);
        await stream.WriteDoneAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public void WriteWhole(Utf8JsonWriter json, IReadOnlyList<IReadOnlyList<ChoicePiece>> choices)
    {
        WriteStart(json, format.WholeObject);
        var index = 0;
        foreach (var pieces in choices.Chunk(plan.Parameters.Choices).SelectMany(Best))
        {
            WriteChoice(
                json, index++, string.Concat(pieces.Select(piece => piece.Text)), string.Concat(pieces.Select(piece => piece.Reasoning)),
                ToolCallPart.Join(pieces.SelectMany(piece => piece.Calls)), pieces, AnswerPart.Whole);
        }

        json.WriteEndArray();
        if (!format.PromptInChoice) WritePrompt(json, choices[0][0]);
        WriteUsage(json);
        WriteTimings(json);
        json.WriteEndObject();
    }

    /// <summary>Whether a piece has anything to tell a client; a later token of half a character alone has not.</summary>
    private bool IsWorthSending(ChoicePiece piece) =>
        piece.Position == 0 || piece.Text.Length > 0 || piece.Reasoning.Length > 0 || piece.Calls.Count > 0 || piece.Finish is not null
        || plan.WithTokenIds || plan.Parameters.LogProbabilities is not null;

    private void WritePart(Utf8JsonWriter json, ChoicePiece piece)
    {
        var part = piece.Position == 0 ? AnswerPart.First : AnswerPart.Later;
        single[0] = piece;
        WriteStart(json, format.PartObject);
        WriteChoice(json, piece.Choice, piece.Text, piece.Reasoning, piece.Calls, single, part);
        json.WriteEndArray();
        if (part == AnswerPart.First && !format.PromptInChoice) WritePrompt(json, piece);
        if (plan.Parameters.IncludeUsage) json.WriteNull("usage");
        else if (piece.Finish is not null && ++finished == plan.Choices.Count) WriteTimings(json);
        json.WriteEndObject();
    }

    /// <summary>Writes the last part of a stream, without a choice.</summary>
    private void WriteUsagePart(Utf8JsonWriter json)
    {
        WriteStart(json, format.PartObject);
        json.WriteEndArray();
        WriteUsage(json);
        WriteTimings(json);
        json.WriteEndObject();
    }

    /// <summary>Of a prompt's choices those whose tokens have the highest mean log-probability; all, where all are wanted, as they are.</summary>
    private IEnumerable<IReadOnlyList<ChoicePiece>> Best(IReadOnlyList<ChoicePiece>[] choices) => choices.Length == plan.Parameters.Kept
        ? choices
        : choices.OrderByDescending(pieces => pieces.Average(piece => piece.Token.Sampled.LogProbability)).Take(plan.Parameters.Kept);

    private void WriteStart(Utf8JsonWriter json, string kind)
    {
        json.WriteStartObject();
        json.WriteString("id", answer.Id);
        json.WriteString("object", kind);
        json.WriteNumber("created", answer.Created.ToUnixTimeSeconds());
        json.WriteString("model", model.Name);
        json.WriteString("system_fingerprint", fingerprint);
        json.WriteStartArray("choices");
    }

    private void WriteChoice(
        Utf8JsonWriter json, int index, string text, string reasoning, IReadOnlyList<ToolCallPart> calls, IReadOnlyList<ChoicePiece> pieces, AnswerPart part)
    {
        var last = pieces[^1];
        json.WriteStartObject();
        json.WriteNumber("index", index);
        format.WriteText(json, text, reasoning, [.. calls.Select(call => new WrittenCall(call.Name is null ? null : call.IdIn(answer.Id, last.Choice), call))], part);
        if (plan.Parameters.LogProbabilities is null)
        {
            json.WriteNull("logprobs");
        }
        else
        {
            json.WriteStartObject("logprobs");
            format.WriteLogProbabilities(json, part == AnswerPart.Later ? pieces : PromptTokens.Echo(plan, pieces));
            json.WriteEndObject();
        }

        json.WriteString("finish_reason", last.Finish);

        // A client that leaves a stream early has it from the first part, and one that keeps only the last part has it, too.
        if (part != AnswerPart.Later || last.Finish is not null) json.WriteNumber("seed", (long)plan.Choices[last.Choice].Request.Seed);
        if (plan.WithTokenIds)
        {
            json.WriteStartArray("token_ids");
            foreach (var piece in pieces) json.WriteNumberValue(piece.Token.Sampled.Token);
            json.WriteEndArray();
        }

        if (part != AnswerPart.Later && format.PromptInChoice) WritePrompt(json, pieces[0]);
        json.WriteEndObject();
    }

    /// <summary>Writes what is told of the prompt of a choice's first piece.</summary>
    private void WritePrompt(Utf8JsonWriter json, ChoicePiece first)
    {
        if (plan.Parameters.PromptLogProbabilities is { } top) PromptTokens.Write(json, model, first, top);
        if (!plan.WithTokenIds) return;
        json.WriteStartArray("prompt_token_ids");
        foreach (var token in plan.Choices[first.Choice].Request.PromptTokens) json.WriteNumberValue(token);
        json.WriteEndArray();
    }

    // Who sends a request again gets the same bytes.
    private void WriteTimings(Utf8JsonWriter json)
    {
        if (plan.Parameters.Retry is null) AnswerTimings.Write(json, answer.Served);
    }

    private void WriteUsage(Utf8JsonWriter json)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", answer.Usage.PromptTokens);
        json.WriteNumber("completion_tokens", answer.Usage.CompletionTokens);
        json.WriteNumber("total_tokens", answer.Usage.PromptTokens + answer.Usage.CompletionTokens);
        json.WriteStartObject("prompt_tokens_details");
        json.WriteNumber("cached_tokens", answer.Usage.CachedTokens);
        json.WriteEndObject();
        if (plan.Choices.Any(choice => choice.Reasoning is not null))
        {
            json.WriteStartObject("completion_tokens_details");
            json.WriteNumber("reasoning_tokens", answer.Usage.ReasoningTokens);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}
