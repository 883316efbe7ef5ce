using Llama.Gateway.Api.Chat;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Tools;
using Llama.Gateway.Api.Writing;

namespace Llama.Gateway.Api.LlamaServer;

/// <summary><c>GET /props</c> and <c>POST /apply-template</c>, as llama.cpp's server has them: what is served, and a conversation as text.</summary>
/// <param name="requests">Reads requests.</param>
/// <param name="messages">Reads conversations.</param>
/// <param name="planner">Knows how long a sequence may be.</param>
/// <param name="model">The model.</param>
internal sealed class PropsEndpoints(RequestReader requests, ChatMessages messages, GenerationPlanner planner, ServedModel model)
{
    private static readonly string Build = $"llama {typeof(PropsEndpoints).Assembly.GetName().Version?.ToString(3)}";

    /// <summary>Tells what is served. There are no slots, and no path of a file is told.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public Task PropsAsync(HttpContext context, CancellationToken cancellationToken) => JsonAnswer.WriteAsync(
        context.Response,
        json =>
        {
            json.WriteStartObject();
            json.WriteStartObject("default_generation_settings");
            json.WriteNumber("n_ctx", planner.MaxSequenceTokens);
            json.WriteStartObject("params");
            json.WriteNumber("temperature", model.Sampling.Temperature);
            json.WriteNumber("top_k", model.Sampling.TopK);
            json.WriteNumber("top_p", model.Sampling.TopP);
            json.WriteNumber("min_p", model.Sampling.MinP);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteString("model_alias", model.Name);
            json.WriteString("model_path", model.Name);
            json.WriteStartObject("modalities");
            json.WriteBoolean("vision", false);
            json.WriteBoolean("audio", false);
            json.WriteEndObject();
            json.WriteString("chat_template", model.TemplateSource ?? "");
            json.WriteString("build_info", Build);
            json.WriteEndObject();
        },
        cancellationToken);

    /// <summary>Turns <c>messages</c> into <c>prompt</c>.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task ApplyTemplateAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var prompt = await requests.ReadAsync(context, FieldScope.Template, (fields, ending) => messages.ReadTextAsync(fields, ToolFields.Read(fields), ending), cancellationToken);
        await JsonAnswer.WriteAsync(
            context.Response,
            json =>
            {
                json.WriteStartObject();
                json.WriteString("prompt", prompt);
                json.WriteEndObject();
            },
            cancellationToken);
    }
}
