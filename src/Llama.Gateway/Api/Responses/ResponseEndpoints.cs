using Llama.Gateway.Api.Chat;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Keys;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Tools;
using Llama.Gateway.Api.Writing;
using Llama.Model.Chat;

namespace Llama.Gateway.Api.Responses;

/// <summary>OpenAI's <c>POST /v1/responses</c>, and <c>GET</c> and <c>DELETE /v1/responses/{id}</c> of those that are kept.</summary>
/// <param name="requests">Reads requests.</param>
/// <param name="messages">Turns conversations into token ids.</param>
/// <param name="reader">Reads what requests have in common.</param>
/// <param name="planner">Plans choices.</param>
/// <param name="responder">Answers.</param>
/// <param name="store">Keeps responses.</param>
/// <param name="model">The model.</param>
internal sealed class ResponseEndpoints(
    RequestReader requests, ChatMessages messages, ParameterReader reader, GenerationPlanner planner, Responder responder, ResponseStore store,
    ServedModel model)
{
    /// <summary>Answers a request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task CreateAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var request = await requests.ReadAsync(context, FieldScope.Response, (fields, ending) => PlanAsync(context, fields, ending), cancellationToken);
        await responder.RespondAsync(
            context.Response, request.Plan, ResponseWriter.IdPrefix, answer => new ResponseWriter(request, model.Name, answer, store, context.Features),
            cancellationToken);
    }

    /// <summary>Tells a response that is kept.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public Task GetAsync(HttpContext context, CancellationToken cancellationToken)
    {
        if (context.Request.Query.Keys.FirstOrDefault() is { } name)
            throw ApiException.Invalid(name, $"{name} is not supported: a response that is kept is told as a whole.", "unsupported_parameter");
        var response = store.Get(IdOf(context), ViewerOf(context), param: null);
        return JsonAnswer.WriteAsync(context.Response, json => json.WriteRawValue(response.Json.Span, skipInputValidation: true), cancellationToken);
    }

    /// <summary>Forgets a response that is kept.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public Task DeleteAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var id = IdOf(context);
        store.Forget(id, ViewerOf(context));
        return JsonAnswer.WriteAsync(
            context.Response,
            json =>
            {
                json.WriteStartObject();
                json.WriteString("id", id);
                json.WriteString("object", "response");
                json.WriteBoolean("deleted", true);
                json.WriteEndObject();
            },
            cancellationToken);
    }

    private async ValueTask<ResponseRequest> PlanAsync(HttpContext context, JsonFields fields, CancellationToken cancellationToken)
    {
        var tools = ToolFields.Read(fields, ToolDialect.Responses);
        var parameters = await reader.ReadAsync(context, fields, cancellationToken) with { Tools = tools };
        var instructions = fields.Get(ResponseFields.Instructions);
        var previous = fields.Get(ResponseFields.PreviousResponse) is { } id
            ? store.Get(id, ViewerOf(context), ResponseFields.PreviousResponse.Name)
            : null;
        List<ChatMessage> conversation = [.. previous?.Conversation ?? [], .. ResponseInput.Read(fields)];
        IReadOnlyList<ChatMessage> all = instructions is null ? conversation : [new ChatMessage("system", instructions), .. conversation];
        var prompt = await messages.EncodeAsync(all, new ChatOptions { Tools = tools?.ForTemplate }, ResponseFields.Input.Name, cancellationToken);
        return new ResponseRequest
        {
            Plan = planner.Plan([prompt], parameters, defaultMaxTokens: null, isChat: true, ResponseFields.Input.Name),
            Conversation = conversation,
            Client = ClientName.Of(context),
            Store = fields.Get(ResponseFields.Store) ?? true,
            Instructions = instructions,
            PreviousId = previous?.Id,

            // The body is gone when they are told.
            Metadata = fields.Get(ResponseFields.Metadata)?.Clone(),
            Tools = fields.Get(RequestFields.Tools)?.Clone(),
            ToolChoice = fields.Get(RequestFields.ToolChoice)?.Clone(),
            Text = fields.Get(ResponseFields.Text)?.Clone(),
        };
    }

    private static string IdOf(HttpContext context) => context.Request.RouteValues["id"]?.ToString() ?? "";

    /// <summary>Whose responses a request may see; null for all. Without keys nobody is known well enough, and an id cannot be guessed.</summary>
    private static string? ViewerOf(HttpContext context) => context.Features.Get<KeyHolder>() is null ? null : ClientName.Of(context);
}
