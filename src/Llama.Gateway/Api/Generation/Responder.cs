using Llama.Gateway.Api.Keys;
using Llama.Gateway.Api.Retries;
using Llama.Gateway.Api.Telemetry;
using Llama.Gateway.Api.Writing;
using Llama.Grains.Gateway;

namespace Llama.Gateway.Api.Generation;

/// <summary>An answer that is generated, or was.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Created">When its first request came.</param>
/// <param name="Pieces">Its pieces, from the first, as they come.</param>
/// <param name="Usage">Counts those that were read.</param>
/// <param name="Served">What is measured of the request.</param>
/// <param name="Use">What it takes of its key's limits; null without a key.</param>
internal sealed record RunningAnswer(
    string Id, DateTimeOffset Created, IAsyncEnumerable<ChoicePiece> Pieces, AnswerUsage Usage, ServedRequest Served, KeyUse? Use) : IDisposable
{
    /// <summary>Has an answer that is kept for its key end, unless others read it: its client wants no more of it.</summary>
    public Action GiveUp { get; init; } = static () => { };

    /// <summary>Has its key know that it has ended, and what it took.</summary>
    public void Dispose()
    {
        if (Use is null) return;
        Use.Tokens = Usage.CompletionTokens;
        Use.Dispose();
    }
}

/// <summary>Answers a planned request, whole or as a stream.</summary>
/// <param name="model">The model.</param>
/// <param name="runner">Runs the choices.</param>
/// <param name="kept">Keeps those that a client may ask for again.</param>
/// <param name="fingerprint">Tells what the bits of answers depend on.</param>
/// <param name="gateway">Knows why nothing comes, while nothing does.</param>
/// <param name="time">Stamps the answers.</param>
internal sealed class Responder(
    ServedModel model, ChoiceRunner runner, KeptAnswers kept, SystemFingerprint fingerprint, IGateway gateway, TimeProvider time)
{
    /// <summary>Runs the choices, or finds them running or done under the request's key, and writes them as choices.</summary>
    /// <param name="response">Where to.</param>
    /// <param name="plan">The choices.</param>
    /// <param name="format">How they are written.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public Task RespondAsync(HttpResponse response, GenerationPlan plan, IAnswerFormat format, CancellationToken cancellationToken) => RespondAsync(
        response, plan, format.IdPrefix, answer => new AnswerWriter(plan, format, model, fingerprint.Value, answer), cancellationToken);

    /// <summary>Runs the choices, or finds them running or done under the request's key, and writes them.</summary>
    /// <param name="response">Where to.</param>
    /// <param name="plan">The choices.</param>
    /// <param name="idPrefix">How the id of a new answer begins.</param>
    /// <param name="write">Makes who writes them.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task RespondAsync(
        HttpResponse response, GenerationPlan plan, string idPrefix, Func<RunningAnswer, IAnswerWriter> write, CancellationToken cancellationToken)
    {
        using var answer = await BeginAsync(response.HttpContext, plan, idPrefix, cancellationToken);
        var writer = write(answer);
        await (plan.Parameters.Stream
            ? StreamAsync(response, answer.Pieces, writer, cancellationToken)
            : WriteWholeAsync(response, plan, answer.Pieces, writer, cancellationToken));
    }

    /// <summary>Begins to run the choices, or finds them running or done under the request's key.</summary>
    /// <param name="context">The request.</param>
    /// <param name="plan">The choices.</param>
    /// <param name="idPrefix">How the id of a new answer begins.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task<RunningAnswer> BeginAsync(HttpContext context, GenerationPlan plan, string idPrefix, CancellationToken cancellationToken)
    {
        var served = context.Features.Get<ServedRequest>()!;
        var usage = served.Plan(plan, model.Name);
        var use = plan.Parameters.Holder?.Begin(plan.PromptTokens);
        try
        {
            if (plan.Parameters.Retry is not { } key)
            {
                return new RunningAnswer(
                    AnswerWriter.NewId(idPrefix), time.GetUtcNow(), served.CountAsync(runner.RunAsync(plan, cancellationToken)), usage, served, use);
            }

            var answer = await kept.TakeAsync(key, plan, idPrefix, cancellationToken);
            return new RunningAnswer(answer.Id, answer.Created, served.CountAsync(answer.ReadAsync(cancellationToken)), usage, served, use)
            {
                GiveUp = () => kept.GiveUp(answer),
            };
        }
        catch
        {
            use?.Dispose();
            throw;
        }
    }

    private async Task StreamAsync(
        HttpResponse response, IAsyncEnumerable<ChoicePiece> pieces, IAnswerWriter writer, CancellationToken cancellationToken)
    {
        // The headers go out with the first piece, so a request that is refused before it, and not late, still gets its status.
        using var stream = JsonStream.Begin(response);
        await using var watch = new SilenceWatch(stream, () => gateway.Summary.Reason, time, cancellationToken);
        await foreach (var piece in pieces) await writer.WritePieceAsync(stream, piece, cancellationToken);
        await writer.WriteEndAsync(stream, cancellationToken);
    }

    private static async Task WriteWholeAsync(
        HttpResponse response, GenerationPlan plan, IAsyncEnumerable<ChoicePiece> pieces, IAnswerWriter writer, CancellationToken cancellationToken)
    {
        var choices = plan.Choices.Select(_ => new List<ChoicePiece>()).ToList();
        await foreach (var piece in pieces) choices[piece.Choice].Add(piece);
        await JsonAnswer.WriteAsync(response, json => writer.WriteWhole(json, choices), cancellationToken);
    }
}
