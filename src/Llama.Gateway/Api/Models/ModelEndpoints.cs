using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Writing;

namespace Llama.Gateway.Api.Models;

/// <summary><c>GET /v1/models</c> and <c>GET /v1/models/{id}</c>: the one model that is served.</summary>
/// <param name="model">The model.</param>
/// <param name="planner">Knows how long a sequence may be.</param>
internal sealed class ModelEndpoints(ServedModel model, GenerationPlanner planner)
{
    /// <summary>Lists the model.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public Task ListAsync(HttpContext context, CancellationToken cancellationToken) => JsonAnswer.WriteAsync(
        context.Response,
        json =>
        {
            json.WriteStartObject();
            json.WriteString("object", "list");
            json.WriteStartArray("data");
            WriteModel(json);
            json.WriteEndArray();
            json.WriteEndObject();
        },
        cancellationToken);

    /// <summary>Describes the model.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public Task GetAsync(HttpContext context, CancellationToken cancellationToken)
    {
        // A slash in a name may be escaped, and is the one character that a path keeps so.
        var id = context.Request.RouteValues["id"]?.ToString() ?? "";
        ThrowUnlessServed(model, id == model.Name ? id : id.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase), param: null);
        return JsonAnswer.WriteAsync(context.Response, WriteModel, cancellationToken);
    }

    /// <summary>Refuses a model that is not served.</summary>
    /// <param name="model">The model that is.</param>
    /// <param name="name">The name that was asked for.</param>
    /// <param name="param">The request's field that names it, if one does.</param>
    /// <exception cref="ApiException">It is another name.</exception>
    public static void ThrowUnlessServed(ServedModel model, string name, string? param)
    {
        if (name == model.Name) return;
        throw new ApiException(
            StatusCodes.Status404NotFound,
            $"The model '{name}' is not served here; the one that is: '{model.Name}'.",
            param,
            "model_not_found");
    }

    private void WriteModel(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("id", model.Name);
        json.WriteString("object", "model");
        json.WriteNumber("created", model.Created.ToUnixTimeSeconds());
        json.WriteString("owned_by", "llama");
        json.WriteNumber("max_model_len", planner.MaxSequenceTokens);
        json.WriteEndObject();
    }
}
