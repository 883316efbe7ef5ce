using System.Text.Json;
using Llama.Gateway.Api.Chat;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Tools;
using Llama.Gateway.Api.Writing;
using Llama.Model.Chat;
using Llama.Model.Chat.Tools;
using Llama.Model.Grammars;
using Llama.Model.Tokenization;

namespace Llama.Gateway.Api.Ollama;

/// <summary>Ollama's <c>POST /api/chat</c> and <c>POST /api/generate</c>.</summary>
/// <param name="requests">Reads requests.</param>
/// <param name="messages">Turns conversations into token ids.</param>
/// <param name="reader">Reads what requests have in common.</param>
/// <param name="planner">Plans choices.</param>
/// <param name="responder">Answers.</param>
/// <param name="model">The model.</param>
/// <param name="time">Stamps the answers.</param>
internal sealed class OllamaEndpoints(
    RequestReader requests, ChatMessages messages, ParameterReader reader, GenerationPlanner planner, Responder responder, ServedModel model, TimeProvider time)
{
    private static readonly JsonElement NoOptions = JsonElement.Parse("{}");

    /// <summary>Answers a conversation.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task ChatAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var plan = await requests.ReadAsync(context, FieldScope.OllamaChat, (fields, ending) => PlanChatAsync(context, fields, ending), cancellationToken);
        await RespondAsync(context.Response, plan, isChat: true, cancellationToken);
    }

    /// <summary>Answers a prompt.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task GenerateAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var plan = await requests.ReadAsync(context, FieldScope.OllamaGenerate, (fields, ending) => PlanTextAsync(context, fields, ending), cancellationToken);
        await RespondAsync(context.Response, plan, isChat: false, cancellationToken);
    }

    private Task RespondAsync(HttpResponse response, GenerationPlan? plan, bool isChat, CancellationToken cancellationToken) => plan is null
        ? JsonAnswer.WriteAsync(response, new OllamaWriter(model.Name, isChat, time, answer: null).WriteLoaded, cancellationToken)
        : responder.RespondAsync(
            response, plan, OllamaWriter.IdPrefix, answer => new OllamaWriter(model.Name, isChat, time, answer), cancellationToken);

    private async ValueTask<GenerationPlan?> PlanChatAsync(HttpContext context, JsonFields fields, CancellationToken cancellationToken)
    {
        var list = fields.Get(OllamaFields.Messages);
        var parameters = await ReadAsync(context, fields, cancellationToken) with { Tools = ToolFields.Read(fields) };
        if (list is null or { } and not { ValueKind: JsonValueKind.Array } || list.Value.GetArrayLength() == 0) return null;
        var field = OllamaFields.Messages.Name;
        List<ChatMessage> conversation =
            [.. list.Value.EnumerateArray().Select((element, index) => ReadMessage(fields.Inner(element, $"{field}[{index}]", FieldScope.OllamaMessage)))];
        return await PlanChatAsync(conversation, parameters, field, cancellationToken);
    }

    private async ValueTask<GenerationPlan?> PlanTextAsync(HttpContext context, JsonFields fields, CancellationToken cancellationToken)
    {
        var parameters = await ReadAsync(context, fields, cancellationToken);
        var field = OllamaFields.Prompt.Name;
        var prompt = fields.Get(OllamaFields.Prompt) ?? "";
        var system = fields.Get(OllamaFields.System) is { Length: > 0 } told ? told : null;
        if (fields.Get(OllamaFields.Suffix) is { Length: > 0 } suffix)
        {
            planner.CheckText(prompt + suffix, field);
            parameters = parameters with { StopTokens = [.. parameters.StopTokens, .. model.InfillEndTokens ?? []] };
            return Plan(await model.EncodeAsync(new InfillPrompt(prompt, suffix, []), OllamaFields.Suffix.Name, cancellationToken), parameters, isChat: false, field);
        }

        if (prompt.Length == 0) return null;
        if (fields.Get(OllamaFields.Raw) is not true && model.Template is not null)
        {
            List<ChatMessage> conversation = [.. system is null ? [] : (ChatMessage[])[new ChatMessage("system", system)], new ChatMessage("user", prompt)];
            return await PlanChatAsync(conversation, parameters, field, cancellationToken);
        }

        if (system is not null) throw ApiException.Invalid("system", "system is written by the chat template; found it with raw, or the model has no template.");
        planner.CheckText(prompt, field);
        return Plan(await model.EncodeAsync(prompt, addSpecial: true, field, cancellationToken), parameters, isChat: false, field);
    }

    private async ValueTask<GenerationPlan> PlanChatAsync(
        IReadOnlyList<ChatMessage> conversation, GenerationParameters parameters, string field, CancellationToken cancellationToken)
    {
        var options = new ChatOptions { Tools = parameters.Tools?.ForTemplate };
        return Plan(await messages.EncodeAsync(conversation, options, field, cancellationToken), parameters, isChat: true, field);
    }

    private GenerationPlan Plan(IReadOnlyList<int> prompt, GenerationParameters parameters, bool isChat, string field) =>
        planner.Plan([prompt], parameters, defaultMaxTokens: null, isChat, field);

    private async ValueTask<GenerationParameters> ReadAsync(HttpContext context, JsonFields fields, CancellationToken cancellationToken)
    {
        var options = fields.Inner(fields.Get(OllamaFields.AllOptions) ?? NoOptions, OllamaFields.AllOptions.Name, FieldScope.OllamaOptions);
        CheckContext(options);
        CheckThinking(fields);
        return await reader.ReadAsync(context, fields, options, cancellationToken) with
        {
            MaxTokens = options.Get(OllamaFields.NumPredict) is > 0 and var most ? (int)most : null,
            Stream = fields.Get(OllamaFields.Stream) is not false,
            Grammar = ReadFormat(fields),
        };
    }

    private void CheckContext(JsonFields options)
    {
        if (options.Get(OllamaFields.NumContext) is not { } needed || needed <= planner.MaxSequenceTokens) return;
        var path = options.PathOf(OllamaFields.NumContext);
        throw ApiException.Invalid(path, $"{path} must be at most {planner.MaxSequenceTokens}, which is the model's context; found {needed}.");
    }

    private void CheckThinking(JsonFields fields)
    {
        if (fields.Get(OllamaFields.Think) is not { } thinks || thinks == model.Template?.Reasoning is not null) return;
        throw ApiException.Invalid(
            OllamaFields.Think.Name,
            $"{OllamaFields.Think.Name} must be absent or {(thinks ? "false: the model does not think before it answers" : "true: the model thinks before it answers, which cannot be turned off")}.",
            "unsupported_parameter");
    }

    private static RequestedGrammar? ReadFormat(JsonFields fields) => fields.Get(OllamaFields.Format) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } name => name.ValueEquals("json") ? new RequestedGrammar(new GrammarSource(GrammarKind.JsonObject, ""), OllamaFields.Format.Name) : null,
        { } schema => new RequestedGrammar(new GrammarSource(GrammarKind.JsonSchema, schema.GetRawText()), OllamaFields.Format.Name),
    };

    private static ChatMessage ReadMessage(JsonFields message)
    {
        var role = message.Require(OllamaFields.Role);
        var content = message.Get(OllamaFields.Content) ?? "";
        if (role == ToolMessages.Tool)
            return ToolMessages.Result(message.Get(RequestFields.ResultOf), message.Get(OllamaFields.ToolName), content);
        var calls = ToolFields.ReadCalls(message);
        var read = calls.Count > 0 ? ToolMessages.Calling(content.Length > 0 ? content : null, calls) : new ChatMessage(role, content);
        return ChatMessages.WithReasoning(read, message.Get(OllamaFields.Thinking) ?? "");
    }
}
