using Llama.Gateway.Api.Embeddings;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Telemetry;
using Llama.Gateway.Api.Writing;

namespace Llama.Gateway.Api.Ollama;

/// <summary>Ollama's <c>POST /api/embed</c>: turns texts into vectors.</summary>
/// <param name="requests">Reads requests.</param>
/// <param name="model">The model.</param>
/// <param name="reader">Reads the texts.</param>
/// <param name="embedder">Makes the vectors.</param>
internal sealed class OllamaEmbeddings(RequestReader requests, ServedModel model, EmbeddingReader reader, Embedder embedder)
{
    /// <summary>Answers a request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task HandleAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var plan = await requests.ReadAsync(
            context, FieldScope.OllamaEmbed, (fields, ending) => reader.ReadAsync(context, fields, ending), cancellationToken);
        var vectors = await embedder.EmbedAsync(context, plan, cancellationToken).ToListAsync(cancellationToken);
        double seconds = context.Features.Get<ServedRequest>()!.Seconds;
        await JsonAnswer.WriteListAsync(
            context.Response, json => json.WriteString("model", model.Name), "embeddings", vectors, JsonAnswer.WriteNumbers,
            json =>
            {
                OllamaWriter.WriteNanoseconds(json, "total_duration", seconds);
                OllamaWriter.WriteNanoseconds(json, "load_duration", 0);
                json.WriteNumber("prompt_eval_count", plan.PromptTokens);
            },
            cancellationToken);
    }
}
