using Llama.Gateway.Api.Models;

namespace Llama.Gateway.Api.Reading;

/// <summary>Reads requests that name the model.</summary>
/// <param name="model">The model.</param>
internal sealed class RequestReader(ServedModel model)
{
    private readonly long maxBytes = RequestBody.LimitFor(model.Config.ContextLength);

    /// <summary>Reads a request; nothing of its body is kept afterwards but what was made of it.</summary>
    /// <typeparam name="T">What is made of it.</typeparam>
    /// <param name="context">The request.</param>
    /// <param name="read">Makes it.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="Errors.ApiException">The body is bad or names another model.</exception>
    public async Task<T> ReadAsync<T>(HttpContext context, Func<JsonFields, T> read, CancellationToken cancellationToken)
    {
        using var document = await RequestBody.ReadAsync(context, maxBytes, cancellationToken);
        var fields = new JsonFields(document.RootElement);
        if (fields.Text("model") is { } name) ModelEndpoints.ThrowUnlessServed(model, name, "model");
        return read(fields);
    }
}
