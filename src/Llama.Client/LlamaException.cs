using System.Globalization;
using Grpc.Core;

namespace Llama.Client;

/// <summary>A request was refused or has failed. The message is the server's: what was found, and what was expected.</summary>
public sealed class LlamaException : Exception
{
    private const string ErrorParam = "x-error-param";
    private const string ErrorCode = "x-error-code";
    private const string Pushback = "grpc-retry-pushback-ms";

    /// <summary>The exception of a call that failed.</summary>
    /// <param name="message">What was found, and what was expected.</param>
    /// <param name="fault">The call's fault.</param>
    internal LlamaException(string message, RpcException fault)
        : base(message, fault)
    {
        Status = fault.StatusCode;
        Param = fault.Trailers.GetValue(ErrorParam);
        Code = fault.Trailers.GetValue(ErrorCode);
        RetryAfter = RetryAfterOf(fault);
    }

    /// <summary>
    /// The kind of error: <see cref="StatusCode.InvalidArgument"/> for a field, <see cref="StatusCode.Unauthenticated"/> for a missing or wrong
    /// key, <see cref="StatusCode.NotFound"/> for another model, <see cref="StatusCode.ResourceExhausted"/> for too much or too many,
    /// <see cref="StatusCode.Unavailable"/> where no gateway answers, <see cref="StatusCode.DeadlineExceeded"/> when time is over.
    /// </summary>
    public StatusCode Status { get; }

    /// <summary>The field at fault, if one is.</summary>
    public string? Param { get; }

    /// <summary>The server's word for programs, such as <c>rate_limit_exceeded</c>; null if it has none.</summary>
    public string? Code { get; }

    /// <summary>When to try again, if that may help.</summary>
    public TimeSpan? RetryAfter { get; }

    /// <summary>When the server says to try again, if it does.</summary>
    /// <param name="fault">What it said.</param>
    internal static TimeSpan? RetryAfterOf(RpcException fault) =>
        int.TryParse(fault.Trailers.GetValue(Pushback), CultureInfo.InvariantCulture, out int milliseconds) && milliseconds >= 0
            ? TimeSpan.FromMilliseconds(milliseconds)
            : null;
}
