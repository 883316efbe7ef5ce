using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Models;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Writing;
using Llama.Grains.Gateway;

namespace Llama.Gateway.Api.Ollama;

/// <summary>Ollama's <c>GET /api/tags</c>, <c>GET /api/ps</c>, <c>POST /api/show</c> and <c>GET /api/version</c>: the one model that is served.</summary>
/// <param name="requests">Reads requests.</param>
/// <param name="planner">Knows how long a sequence may be.</param>
/// <param name="model">The model.</param>
/// <param name="gateway">Knows how large it is.</param>
internal sealed class OllamaModels(RequestReader requests, GenerationPlanner planner, ServedModel model, IGateway gateway)
{
    private static readonly DateTimeOffset Never = DateTimeOffset.MaxValue;
    private static readonly string Version = typeof(OllamaModels).Assembly.GetName().Version!.ToString(3);

    /// <summary>Tells the version of this program.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public static Task VersionAsync(HttpContext context, CancellationToken cancellationToken) => JsonAnswer.WriteAsync(
        context.Response,
        json =>
        {
            json.WriteStartObject();
            json.WriteString("version", Version);
            json.WriteEndObject();
        },
        cancellationToken);

    /// <summary>Lists the model.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public Task ListAsync(HttpContext context, CancellationToken cancellationToken) =>
        WriteListAsync(context.Response, json => json.WriteString("modified_at", OllamaWriter.Stamp(model.Created)), cancellationToken);

    /// <summary>Lists the model as one that is loaded.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public Task ListLoadedAsync(HttpContext context, CancellationToken cancellationToken) => WriteListAsync(
        context.Response,
        json =>
        {
            json.WriteString("expires_at", OllamaWriter.Stamp(Never));
            json.WriteNumber("size_vram", 0);
            json.WriteNumber("context_length", planner.MaxSequenceTokens);
        },
        cancellationToken);

    /// <summary>Describes the model.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task ShowAsync(HttpContext context, CancellationToken cancellationToken)
    {
        await requests.ReadAsync(
            context, FieldScope.OllamaShow,
            (fields, _) =>
            {
                if (fields.Get(OllamaFields.Name) is { } name) ModelEndpoints.ThrowUnlessServed(model, NameOf(name, model), OllamaFields.Name.Name);
                return ValueTask.FromResult(true);
            },
            cancellationToken);
        await JsonAnswer.WriteAsync(
            context.Response,
            json =>
            {
                json.WriteStartObject();
                json.WriteString("modelfile", "");
                json.WriteString("parameters", "");
                json.WriteString("template", model.TemplateSource ?? "");
                WriteDetails(json);
                json.WriteStartObject("model_info");
                json.WriteString("general.architecture", "llama");
                json.WriteString("general.basename", model.Name);
                json.WriteNumber("llama.context_length", planner.MaxSequenceTokens);
                json.WriteNumber("llama.vocab_size", model.VocabSize);
                json.WriteEndObject();
                json.WriteStartArray("capabilities");
                json.WriteStringValue("completion");
                if (model.InfillEndTokens is not null) json.WriteStringValue("insert");
                if (model.Template is not null) json.WriteStringValue("tools");
                if (model.Template?.Reasoning is not null) json.WriteStringValue("thinking");
                json.WriteEndArray();
                json.WriteString("modified_at", OllamaWriter.Stamp(model.Created));
                json.WriteEndObject();
            },
            cancellationToken);
    }

    /// <summary>The name that a name with Ollama's usual tag stands for.</summary>
    /// <param name="name">The name.</param>
    /// <param name="model">The model that is served.</param>
    public static string NameOf(string name, ServedModel model)
    {
        const string Tag = ":latest";
        return name.EndsWith(Tag, StringComparison.Ordinal) && name[..^Tag.Length] == model.Name ? model.Name : name;
    }

    private async Task WriteListAsync(HttpResponse response, Action<Utf8JsonWriter> writeMore, CancellationToken cancellationToken)
    {
        ClusterStatus status = await gateway.StatusAsync(cancellationToken);
        long size = status.Pipelines is [var pipeline, ..] ? pipeline.Stages.Sum(stage => stage.WeightBytes) : 0;
        await JsonAnswer.WriteAsync(
            response,
            json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("models");
                json.WriteStartObject();
                json.WriteString("name", model.Name);
                json.WriteString("model", model.Name);
                json.WriteNumber("size", size);
                json.WriteString("digest", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{model.Name}\n{model.Fingerprint}"))));
                WriteDetails(json);
                writeMore(json);
                json.WriteEndObject();
                json.WriteEndArray();
                json.WriteEndObject();
            },
            cancellationToken);
    }

    private static void WriteDetails(Utf8JsonWriter json)
    {
        json.WriteStartObject("details");
        json.WriteString("parent_model", "");
        json.WriteString("format", "");
        json.WriteString("family", "llama");
        json.WriteStartArray("families");
        json.WriteStringValue("llama");
        json.WriteEndArray();
        json.WriteString("parameter_size", "");
        json.WriteString("quantization_level", "");
        json.WriteEndObject();
    }
}
