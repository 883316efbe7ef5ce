using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Models;

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
    /// <exception cref="Errors.ApiException">The body or a field of it is bad, or it names another model.</exception>
    public async Task<T> ReadAsync<T>(
        HttpContext context, FieldScope scope, Func<JsonFields, CancellationToken, ValueTask<T>> read, CancellationToken cancellationToken)
    {
        using var document = await RequestBody.ReadAsync(context, RequestBody.LimitFor(model.ContextLength), cancellationToken);
        var fields = JsonFields.Of(document.RootElement, scope, ignoreUnknown);
        if (fields.Get(RequestFields.Model) is { } name) ModelEndpoints.ThrowUnlessServed(model, name, RequestFields.Model.Name);
        return await read(fields, cancellationToken);
    }
}
