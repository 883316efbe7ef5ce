using System.Runtime.InteropServices;
using System.Text.Json;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Writing;

namespace Llama.Gateway.Api.Embeddings;

/// <summary><c>POST /v1/embeddings</c>: turns texts into vectors.</summary>
/// <param name="requests">Reads requests.</param>
/// <param name="model">The model.</param>
/// <param name="reader">Reads the texts.</param>
/// <param name="embedder">Makes the vectors.</param>
internal sealed class EmbeddingEndpoint(RequestReader requests, ServedModel model, EmbeddingReader reader, Embedder embedder)
{
    /// <summary>Answers a request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task HandleAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var (plan, isBase64) = await requests.ReadAsync(
            context, FieldScope.Embedding,
            async (fields, ending) => (
                await reader.ReadAsync(context, fields, ending), fields.Get(RequestFields.EncodingFormat) == EmbeddingReader.Base64),
            cancellationToken);

        // All of them first: a fault still has its status.
        var vectors = await embedder.EmbedAsync(context, plan, cancellationToken).ToListAsync(cancellationToken);
        await JsonAnswer.WriteListAsync(
            context.Response, json => json.WriteString("object", "list"), "data", [.. vectors.Index()],
            (json, one) => Write(json, one.Index, one.Item, isBase64),
            json =>
            {
                json.WriteString("model", model.Name);
                json.WriteStartObject("usage");
                json.WriteNumber("prompt_tokens", plan.PromptTokens);
                json.WriteNumber("total_tokens", plan.PromptTokens);
                json.WriteEndObject();
            },
            cancellationToken);
    }

    private static void Write(Utf8JsonWriter json, int index, float[] vector, bool isBase64)
    {
        json.WriteStartObject();
        json.WriteString("object", "embedding");
        json.WriteNumber("index", index);
        json.WritePropertyName("embedding");
        if (isBase64) json.WriteBase64StringValue(MemoryMarshal.AsBytes(vector.AsSpan()));
        else JsonAnswer.WriteNumbers(json, vector);
        json.WriteEndObject();
    }
}
