using System.Text.Json;
using Llama.Gateway.Api.Errors;

namespace Llama.Gateway.Api.Messages;

/// <summary>Anthropic's form of errors, with OpenAI's <c>param</c> and <c>code</c> beside the message.</summary>
internal sealed class AnthropicErrorForm : IErrorForm
{
    /// <summary>The only one.</summary>
    public static readonly AnthropicErrorForm Instance = new();

    /// <inheritdoc/>
    public string? EventName => "error";

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter json, ApiException error, string requestId)
    {
        json.WriteStartObject();
        json.WriteString("type", "error");
        json.WriteStartObject("error");
        json.WriteString("type", TypeOf(error.Status));
        json.WriteString("message", error.Message);
        json.WriteString("param", error.Param);
        json.WriteString("code", error.Code);
        json.WriteEndObject();
        json.WriteString("request_id", requestId);
        json.WriteEndObject();
    }

    private static string TypeOf(int status) => status switch
    {
        StatusCodes.Status401Unauthorized => "authentication_error",
        StatusCodes.Status403Forbidden => "permission_error",
        StatusCodes.Status404NotFound => "not_found_error",
        StatusCodes.Status413PayloadTooLarge => "request_too_large",
        StatusCodes.Status429TooManyRequests => "rate_limit_error",
        StatusCodes.Status503ServiceUnavailable => "overloaded_error",
        StatusCodes.Status504GatewayTimeout => "timeout_error",
        >= StatusCodes.Status500InternalServerError => "api_error",
        _ => "invalid_request_error",
    };
}
