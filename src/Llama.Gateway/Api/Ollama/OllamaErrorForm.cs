using System.Text.Json;
using Llama.Gateway.Api.Errors;

namespace Llama.Gateway.Api.Ollama;

/// <summary>Ollama's form of errors, in a stream a line, with OpenAI's <c>param</c> and <c>code</c> beside the message.</summary>
internal sealed class OllamaErrorForm : IErrorForm
{
    /// <summary>The only one.</summary>
    public static readonly OllamaErrorForm Instance = new();

    /// <inheritdoc/>
    public bool IsLine => true;

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter json, ApiException error, string requestId)
    {
        json.WriteStartObject();
        json.WriteString("error", error.Message);
        json.WriteString("param", error.Param);
        json.WriteString("code", error.Code);
        json.WriteEndObject();
    }
}
