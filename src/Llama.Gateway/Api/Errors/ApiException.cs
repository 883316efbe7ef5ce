namespace Llama.Gateway.Api.Errors;

/// <summary>A request is answered with an error in OpenAI's shape: <c>{"error":{"message","type","param","code"}}</c>.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="message">What was found and what was expected.</param>
/// <param name="param">The field at fault, if one is.</param>
/// <param name="code">A word for programs, if OpenAI has one.</param>
/// <param name="retryAfter">When to try again, if that may help.</param>
internal sealed class ApiException(int status, string message, string? param = null, string? code = null, TimeSpan? retryAfter = null)
    : Exception(message)
{
    /// <summary>The HTTP status.</summary>
    public int Status { get; } = status;

    /// <summary>The field at fault, if one is.</summary>
    public string? Param { get; } = param;

    /// <summary>A word for programs, if OpenAI has one.</summary>
    public string? Code { get; } = code;

    /// <summary>When to try again, if that may help.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;

    /// <summary>Whether a client that repeats requests after such a status should do so; null where it may decide.</summary>
    /// <remarks>A request whose own time is over would only have as much again.</remarks>
    public bool? ShouldRetry => Status == StatusCodes.Status504GatewayTimeout ? false : null;

    /// <summary>OpenAI's kind of error, which follows from the status.</summary>
    public string Type => Status switch
    {
        StatusCodes.Status429TooManyRequests => "rate_limit_error",
        >= StatusCodes.Status500InternalServerError => "server_error",
        _ => "invalid_request_error",
    };

    /// <summary>Status 400 for a field.</summary>
    /// <param name="param">The field.</param>
    /// <param name="message">What was found and what was expected.</param>
    /// <param name="code">A word for programs, if OpenAI has one.</param>
    public static ApiException Invalid(string? param, string message, string? code = null) =>
        new(StatusCodes.Status400BadRequest, message, param, code);
}
