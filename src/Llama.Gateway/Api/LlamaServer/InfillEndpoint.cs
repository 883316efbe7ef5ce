using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Writing;
using Llama.Model.Tokenization;

namespace Llama.Gateway.Api.LlamaServer;

/// <summary><c>POST /infill</c>, as llama.cpp's server has it: fills a gap in a text.</summary>
/// <param name="requests">Reads requests.</param>
/// <param name="reader">Reads what requests have in common.</param>
/// <param name="planner">Plans choices.</param>
/// <param name="responder">Answers.</param>
/// <param name="model">The model.</param>
internal sealed class InfillEndpoint(RequestReader requests, ParameterReader reader, GenerationPlanner planner, Responder responder, ServedModel model)
{
    private const int MostFiles = 256;

    /// <summary>Answers a request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task HandleAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var plan = await requests.ReadAsync(context, FieldScope.Infill, (fields, ending) => PlanAsync(context, fields, ending), cancellationToken);
        await responder.RespondAsync(
            context.Response, plan, InfillWriter.IdPrefix, answer => new InfillWriter(plan, model.Name, answer), cancellationToken);
    }

    private async ValueTask<GenerationPlan> PlanAsync(HttpContext context, JsonFields fields, CancellationToken cancellationToken)
    {
        var parameters = await reader.ReadAsync(context, fields, cancellationToken);
        parameters = parameters with
        {
            MaxTokens = fields.Get(InfillFields.NumPredict) switch
            {
                null or -1 => null,
                0 => throw ApiException.Invalid(InfillFields.NumPredict.Name, $"{InfillFields.NumPredict.Name} must be -1 or at least 1; found 0."),
                var most => (int)most,
            },
            StopTokens = [.. parameters.StopTokens, .. model.InfillEndTokens ?? []],
        };
        var field = InfillFields.Prefix.Name;
        var prompt = ReadPrompt(fields);
        planner.CheckText(string.Concat([prompt.Prefix, prompt.Suffix, .. prompt.Files.Select(file => file.Text)]), field);
        return planner.Plan([await model.EncodeAsync(prompt, field, cancellationToken)], parameters, defaultMaxTokens: null, isChat: false, field);
    }

    private static InfillPrompt ReadPrompt(JsonFields fields)
    {
        var field = InfillFields.Extra;
        IReadOnlyList<InfillFile> files = [];
        if (fields.Get(field) is { } list)
        {
            if (list.GetArrayLength() > MostFiles)
                throw ApiException.Invalid(field.Name, $"{field.Name} may have at most {MostFiles} files; found {list.GetArrayLength()}.");
            files = [.. list.EnumerateArray().Select((element, index) => ReadFile(fields.Inner(element, $"{field.Name}[{index}]", FieldScope.InfillFile)))];
        }

        return new InfillPrompt(fields.Get(InfillFields.Prefix) + fields.Get(InfillFields.Prompt), fields.Get(InfillFields.Suffix) ?? "", files);
    }

    private static InfillFile ReadFile(JsonFields file) => new(file.Require(InfillFields.FileName), file.Require(InfillFields.FileText));
}

/// <summary>Writes the answers of llama.cpp's server.</summary>
/// <param name="plan">What was asked: one choice.</param>
/// <param name="model">The model's name.</param>
/// <param name="answer">The answer.</param>
internal sealed class InfillWriter(GenerationPlan plan, string model, RunningAnswer answer) : IAnswerWriter
{
    /// <summary>How an answer's id begins; none is told.</summary>
    public const string IdPrefix = "infill-";

    /// <inheritdoc/>
    public async ValueTask WritePieceAsync(JsonStream stream, ChoicePiece piece, CancellationToken cancellationToken)
    {
        if (piece.Finish is not null) await stream.WriteAsync((this, piece), static (json, part) => part.Item1.WriteLast(json, part.piece.Text, part.piece), cancellationToken);
        else if (piece.Text.Length > 0) await stream.WriteAsync(piece, static (json, part) => WritePart(json, part), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask WriteEndAsync(JsonStream stream, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <inheritdoc/>
    public void WriteWhole(Utf8JsonWriter json, IReadOnlyList<IReadOnlyList<ChoicePiece>> choices) =>
        WriteLast(json, string.Concat(choices[0].Select(piece => piece.Text)), choices[0][^1]);

    private static void WritePart(Utf8JsonWriter json, ChoicePiece piece)
    {
        json.WriteStartObject();
        json.WriteNumber("index", 0);
        json.WriteString("content", piece.Text);
        json.WriteBoolean("stop", false);
        json.WriteEndObject();
    }

    private void WriteLast(Utf8JsonWriter json, string text, ChoicePiece last)
    {
        json.WriteStartObject();
        json.WriteNumber("index", 0);
        json.WriteString("content", text);
        json.WriteBoolean("stop", true);
        json.WriteString("model", model);
        json.WriteNumber("tokens_predicted", answer.Usage.CompletionTokens);
        json.WriteNumber("tokens_evaluated", answer.Usage.PromptTokens);
        json.WriteNumber("tokens_cached", answer.Usage.CachedTokens);
        json.WriteBoolean("truncated", false);
        json.WriteString("stop_type", last switch { { Finish: "length" } => "limit", { StoppedBy: not null } => "word", _ => "eos" });
        json.WriteString("stopping_word", last.StoppedBy ?? "");
        json.WriteNumber("seed", (long)plan.Choices[0].Request.Seed);
        if (plan.Parameters.Retry is null) AnswerTimings.Write(json, answer.Served);
        json.WriteEndObject();
    }
}
