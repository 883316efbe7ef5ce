using System.Text;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Tools;
using Llama.Gateway.Api.Writing;

namespace Llama.Gateway.Api.Ollama;

/// <summary>Answers a planned request in Ollama's form.</summary>
/// <param name="responder">Begins answers.</param>
/// <param name="model">The model.</param>
/// <param name="time">Stamps the answers.</param>
internal sealed class OllamaResponder(Responder responder, ServedModel model, TimeProvider time)
{
    private const string IdPrefix = "ollama-";

    /// <summary>Answers a request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="plan">What it asks for, one choice; null where it asks whether the model is loaded.</param>
    /// <param name="isChat">Whether the answer is a message.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task RespondAsync(HttpContext context, GenerationPlan? plan, bool isChat, CancellationToken cancellationToken)
    {
        var writer = new OllamaWriter(model.Name, isChat, time);
        if (plan is null)
        {
            await JsonAnswer.WriteAsync(context.Response, writer.WriteLoaded, cancellationToken);
            return;
        }

        using var answer = await responder.BeginAsync(context, plan, IdPrefix, cancellationToken);
        await (plan.Parameters.Stream
            ? StreamAsync(context.Response, writer, answer, cancellationToken)
            : WriteWholeAsync(context.Response, writer, answer, cancellationToken));
    }

    // Ollama's clients read a call as a whole.
    private static async Task StreamAsync(HttpResponse response, OllamaWriter writer, RunningAnswer answer, CancellationToken cancellationToken)
    {
        using var lines = JsonLines.Begin(response);
        var calls = new List<ToolCallPart>();
        string? finish = null;
        await foreach (var piece in answer.Pieces)
        {
            calls.AddRange(piece.Calls);
            finish = piece.Finish;
            if (piece.Text.Length > 0 || piece.Reasoning.Length > 0)
                await lines.WriteAsync(json => writer.WritePart(json, piece.Text, piece.Reasoning, []), cancellationToken);
        }

        if (calls.Count > 0) await lines.WriteAsync(json => writer.WritePart(json, "", "", ToolCallPart.Join(calls)), cancellationToken);
        await lines.WriteAsync(json => writer.WriteLast(json, "", "", [], finish, answer), cancellationToken);
    }

    private static async Task WriteWholeAsync(HttpResponse response, OllamaWriter writer, RunningAnswer answer, CancellationToken cancellationToken)
    {
        var (text, thinking) = (new StringBuilder(), new StringBuilder());
        var calls = new List<ToolCallPart>();
        string? finish = null;
        await foreach (var piece in answer.Pieces)
        {
            text.Append(piece.Text);
            thinking.Append(piece.Reasoning);
            calls.AddRange(piece.Calls);
            finish = piece.Finish;
        }

        await JsonAnswer.WriteAsync(
            response, json => writer.WriteLast(json, $"{text}", $"{thinking}", ToolCallPart.Join(calls), finish, answer), cancellationToken);
    }
}
