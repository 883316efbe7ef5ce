using System.Text.Json;
using Google.Protobuf;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Models;
using Llama.Gateway.Api.Ollama;
using Llama.Gateway.Api.Rpc;

namespace Llama.Gateway.Api.Reading;

/// <summary>Reads requests that name the model.</summary>
/// <param name="model">The model.</param>
/// <param name="ignoreUnknown">Whether fields that nobody knows pass.</param>
internal sealed class RequestReader(ServedModel model, bool ignoreUnknown)
{
    /// <summary>Reads a request; nothing of its body is kept afterwards but what was made of it.</summary>
    /// <typeparam name="T">What is made of it.</typeparam>
    /// <param name="context">The request.</param>
    /// <param name="scope">Which request it is.</param>
    /// <param name="read">Makes it, before the body is forgotten.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">The body or a field of it is bad, or it names another model.</exception>
    public async Task<T> ReadAsync<T>(
        HttpContext context, FieldScope scope, Func<JsonFields, CancellationToken, ValueTask<T>> read, CancellationToken cancellationToken)
    {
        using var document = await RequestBody.ReadAsync(context, RequestBody.LimitFor(model.ContextLength), cancellationToken);
        return await ReadAsync(document, scope, read, cancellationToken);
    }

    /// <summary>Reads a gRPC request as the same request over HTTP is read.</summary>
    /// <typeparam name="T">What is made of it.</typeparam>
    /// <param name="request">The request.</param>
    /// <param name="scope">Which request it is.</param>
    /// <param name="read">Makes it.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">A field of it is bad, or it names another model.</exception>
    public async Task<T> ReadAsync<T>(
        IMessage request, FieldScope scope, Func<JsonFields, CancellationToken, ValueTask<T>> read, CancellationToken cancellationToken)
    {
        var limit = RequestBody.LimitFor(model.ContextLength);
        if (request.CalculateSize() > limit) throw RequestBody.TooLarge(limit);
        if (!ignoreUnknown && MessageJson.HasUnknownFields(request))
        {
            throw ApiException.Invalid(
                param: null, $"The {request.Descriptor.Name} has fields that this server does not know; protos/ has those that it does.",
                "unknown_parameter");
        }

        using var document = MessageJson.Read(request);
        return await ReadAsync(document, scope, read, cancellationToken);
    }

    private async Task<T> ReadAsync<T>(
        JsonDocument document, FieldScope scope, Func<JsonFields, CancellationToken, ValueTask<T>> read, CancellationToken cancellationToken)
    {
        var fields = JsonFields.Of(document.RootElement, scope, ignoreUnknown);
        if (fields.Get(RequestFields.Model) is { } name)
            ModelEndpoints.ThrowUnlessServed(model, FieldScope.Ollama.HasFlag(scope) ? OllamaModels.NameOf(name, model) : name, RequestFields.Model.Name);
        return await read(fields, cancellationToken);
    }
}
