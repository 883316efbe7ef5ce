using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Tools;

namespace Llama.Gateway.Api.Chat;

/// <summary><c>POST /v1/chat/completions</c>: answers a conversation.</summary>
/// <param name="requests">Reads requests.</param>
/// <param name="model">The model.</param>
/// <param name="messages">Reads conversations.</param>
/// <param name="sender">Knows who asks.</param>
/// <param name="rules">Reads what changes logits.</param>
/// <param name="planner">Plans choices.</param>
/// <param name="responder">Answers.</param>
/// <param name="format">Writes the answers.</param>
internal sealed class ChatEndpoint(
    RequestReader requests, ServedModel model, ChatMessages messages, Sender sender, TokenRuleReader rules, GenerationPlanner planner, Responder responder, ChatFormat format)
{
    /// <summary>Answers a request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task HandleAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var plan = await requests.ReadAsync(context, FieldScope.Chat, (fields, ending) => PlanAsync(context, fields, ending), cancellationToken);
        await responder.RespondAsync(context.Response, plan, format, cancellationToken);
    }

    /// <summary>Plans the answer to a request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="fields">Its fields.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async ValueTask<GenerationPlan> PlanAsync(HttpContext context, JsonFields fields, CancellationToken cancellationToken)
    {
        var parameters = sender.Add(GenerationParameters.Read(fields, model.Sampling), context, fields) with
        {
            LogProbabilities = ReadLogProbabilities(fields),
            Rules = await rules.ReadAsync(fields, cancellationToken),
            StopTokens = rules.ReadStopTokens(fields),
            Tools = ToolFields.Read(fields),
        };
        var (prompt, continued) = await messages.ReadAsync(fields, parameters.Tools, cancellationToken);
        parameters = parameters with { Continued = continued };
        return planner.Plan([prompt], parameters, defaultMaxTokens: null, isChat: true, RequestFields.Messages.Name);
    }

    private static int? ReadLogProbabilities(JsonFields fields)
    {
        var topLogprobs = (int?)fields.Get(RequestFields.TopLogProbabilities);
        if (fields.Get(RequestFields.WithLogProbabilities) is true) return topLogprobs ?? 0;
        if (topLogprobs is null or 0) return null;
        throw ApiException.Invalid("top_logprobs", $"top_logprobs needs logprobs to be true; found {topLogprobs} without it.");
    }
}
