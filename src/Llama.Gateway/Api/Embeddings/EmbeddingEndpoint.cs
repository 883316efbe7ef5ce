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
    /// <summary>What may wait to be sent: a thousand vectors are megabytes as JSON.</summary>
    private const int MostPendingBytes = 64 << 10;

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
        var vectors = new List<float[]>(plan.Inputs.Count);
        await foreach (var vector in embedder.EmbedAsync(context, plan, cancellationToken)) vectors.Add(vector);
        context.Response.ContentType = "application/json";
        var body = context.Response.BodyWriter;
        await using var json = new Utf8JsonWriter(body, JsonAnswer.Options);
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        for (var index = 0; index < vectors.Count; index++)
        {
            Write(json, index, vectors[index], isBase64);
            if (json.BytesPending < MostPendingBytes) continue;
            await json.FlushAsync(cancellationToken);
            await body.FlushAsync(cancellationToken);
        }

        json.WriteEndArray();
        json.WriteString("model", model.Name);
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", plan.PromptTokens);
        json.WriteNumber("total_tokens", plan.PromptTokens);
        json.WriteEndObject();
        json.WriteEndObject();
        await json.FlushAsync(cancellationToken);
        await body.FlushAsync(cancellationToken);
    }

    private static void Write(Utf8JsonWriter json, int index, float[] vector, bool isBase64)
    {
        json.WriteStartObject();
        json.WriteString("object", "embedding");
        json.WriteNumber("index", index);
        if (isBase64)
        {
            json.WriteBase64String("embedding", MemoryMarshal.AsBytes(vector.AsSpan()));
        }
        else
        {
            json.WriteStartArray("embedding");
            foreach (var number in vector) json.WriteNumberValue(number);
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }
}
