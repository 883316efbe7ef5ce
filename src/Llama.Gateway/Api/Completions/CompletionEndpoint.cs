using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;

namespace Llama.Gateway.Api.Completions;

/// <summary><c>POST /v1/completions</c>: goes on with a text.</summary>
/// <param name="requests">Reads requests.</param>
/// <param name="model">The model.</param>
/// <param name="prompts">Reads prompts.</param>
/// <param name="sender">Knows who asks.</param>
/// <param name="rules">Reads what changes logits.</param>
/// <param name="planner">Plans choices.</param>
/// <param name="responder">Answers.</param>
/// <param name="format">Writes the answers.</param>
internal sealed class CompletionEndpoint(
    RequestReader requests, ServedModel model, Prompts prompts, Sender sender, TokenRuleReader rules, GenerationPlanner planner, Responder responder, CompletionFormat format)
{
    // OpenAI's default.
    private const int DefaultMaxTokens = 16;

    /// <summary>Answers a request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task HandleAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var plan = await requests.ReadAsync(context, FieldScope.Completion, (fields, ending) => PlanAsync(context, fields, ending), cancellationToken);
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
            LogProbabilities = (int?)fields.Get(RequestFields.LogProbabilities),
            Rules = await rules.ReadAsync(fields, cancellationToken),
            StopTokens = rules.ReadStopTokens(fields),
        };
        var read = await prompts.ReadAsync(fields, RequestFields.Prompt, GenerationParameters.MaxChoices, cancellationToken);
        return planner.Plan(read, parameters, DefaultMaxTokens, isChat: false, RequestFields.Prompt.Name);
    }
}
