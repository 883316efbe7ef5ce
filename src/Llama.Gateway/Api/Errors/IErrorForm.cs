using System.Text.Json;
using Llama.Gateway.Api.Writing;

namespace Llama.Gateway.Api.Errors;

/// <summary>How a route writes errors. It is a feature of the request; one without is answered in OpenAI's form.</summary>
internal interface IErrorForm
{
    /// <summary>The name of the event that ends a stream which had begun; null for one without a name.</summary>
    string? EventName => null;

    /// <summary>Whether a stream has an object a line, and no events.</summary>
    bool IsLine => false;

    /// <summary>Writes an error as the body of an answer.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="error">The error.</param>
    /// <param name="requestId">The request's id.</param>
    void Write(Utf8JsonWriter json, ApiException error, string requestId);

    /// <summary>Writes an error as the event or line that ends a stream.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="error">The error.</param>
    /// <param name="requestId">The request's id.</param>
    void WriteEvent(Utf8JsonWriter json, ApiException error, string requestId) => Write(json, error, requestId);
}

/// <summary>OpenAI's form.</summary>
internal sealed class OpenAIErrorForm : IErrorForm
{
    /// <summary>The only one.</summary>
    public static readonly OpenAIErrorForm Instance = new();

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter json, ApiException error, string requestId) => JsonAnswer.WriteError(json, error);
}
