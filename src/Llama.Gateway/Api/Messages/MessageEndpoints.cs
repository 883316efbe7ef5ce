using Llama.Gateway.Api.Chat;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Tools;
using Llama.Gateway.Api.Writing;
using Llama.Model.Chat;

namespace Llama.Gateway.Api.Messages;

/// <summary>Anthropic's <c>POST /v1/messages</c> and <c>POST /v1/messages/count_tokens</c>.</summary>
/// <param name="requests">Reads requests.</param>
/// <param name="messages">Turns conversations into token ids.</param>
/// <param name="reader">Reads what requests have in common.</param>
/// <param name="planner">Plans choices.</param>
/// <param name="responder">Answers.</param>
/// <param name="model">The model.</param>
internal sealed class MessageEndpoints(
    RequestReader requests, ChatMessages messages, ParameterReader reader, GenerationPlanner planner, Responder responder, ServedModel model)
{
    /// <summary>Where Anthropic's clients look for the request's id.</summary>
    private const string RequestIdHeader = "request-id";

    private static readonly string Field = MessageFields.Messages.Name;

    /// <summary>Answers a conversation.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task CreateAsync(HttpContext context, CancellationToken cancellationToken)
    {
        context.Response.Headers[RequestIdHeader] = context.TraceIdentifier;
        var plan = await requests.ReadAsync(context, FieldScope.MessageRequest, (fields, ending) => PlanAsync(context, fields, ending), cancellationToken);
        await responder.RespondAsync(
            context.Response, plan, MessageWriter.IdPrefix, answer => new MessageWriter(plan, model.Name, answer), cancellationToken);
    }

    /// <summary>Counts the tokens of a conversation.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task CountAsync(HttpContext context, CancellationToken cancellationToken)
    {
        context.Response.Headers[RequestIdHeader] = context.TraceIdentifier;
        var tokens = await requests.ReadAsync(
            context, FieldScope.CountTokens,
            async (fields, ending) => (await EncodeAsync(TurnReader.Read(fields), ToolFields.Read(fields, ToolDialect.Messages), ending)).Count,
            cancellationToken);
        await JsonAnswer.WriteAsync(
            context.Response,
            json =>
            {
                json.WriteStartObject();
                json.WriteNumber("input_tokens", tokens);
                json.WriteEndObject();
            },
            cancellationToken);
    }

    private async ValueTask<GenerationPlan> PlanAsync(HttpContext context, JsonFields fields, CancellationToken cancellationToken)
    {
        fields.Require(RequestFields.MaxTokens);
        var tools = ToolFields.Read(fields, ToolDialect.Messages);
        var parameters = await reader.ReadAsync(context, fields, cancellationToken) with { Tools = tools };
        var turns = TurnReader.Read(fields);
        var prompt = await EncodeAsync(turns, tools, cancellationToken);
        if (TurnReader.GoesOn(turns)) parameters = parameters with { Continued = turns[^1].Content };
        return planner.Plan([prompt], parameters, defaultMaxTokens: null, isChat: true, Field);
    }

    private ValueTask<IReadOnlyList<int>> EncodeAsync(IReadOnlyList<ChatMessage> turns, ToolUse? tools, CancellationToken cancellationToken)
    {
        var options = new ChatOptions { Tools = tools?.ForTemplate };
        if (!TurnReader.GoesOn(turns)) return messages.EncodeAsync(turns, options, Field, cancellationToken);
        if (model.Template is { TakesOptions: false } template)
        {
            throw ApiException.Invalid(
                Field,
                $"{Field} ends with the assistant's, which the answer would go on with: that needs a checkpoint with a chat template of its own; the chat template is"
                + $" {template.Name}.", "unsupported_parameter");
        }

        return messages.EncodeAsync(turns, options with { ContinueFinalMessage = true }, Field, cancellationToken);
    }
}
