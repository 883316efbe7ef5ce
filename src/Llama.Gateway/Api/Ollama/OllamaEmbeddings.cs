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
        var vectors = new List<float[]>(plan.Inputs.Count);
        await foreach (var vector in embedder.EmbedAsync(context, plan, cancellationToken)) vectors.Add(vector);
        var time = TimeSpan.FromSeconds(context.Features.Get<ServedRequest>()!.Seconds);
        await JsonAnswer.WriteAsync(
            context.Response,
            json =>
            {
                json.WriteStartObject();
                json.WriteString("model", model.Name);
                json.WriteStartArray("embeddings");
                foreach (var vector in vectors)
                {
                    json.WriteStartArray();
                    foreach (var number in vector) json.WriteNumberValue(number);
                    json.WriteEndArray();
                }

                json.WriteEndArray();
                json.WriteNumber("total_duration", (long)time.TotalNanoseconds);
                json.WriteNumber("load_duration", 0);
                json.WriteNumber("prompt_eval_count", plan.PromptTokens);
                json.WriteEndObject();
            },
            cancellationToken);
    }
}
