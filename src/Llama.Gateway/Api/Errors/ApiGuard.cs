using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Writing;
using Llama.Grains.Generation;
using Microsoft.AspNetCore.Http.Features;

namespace Llama.Gateway.Api.Errors;

/// <summary>Runs an endpoint so that every fault becomes an answer in OpenAI's shape and none ends the process.</summary>
/// <param name="serving">Tells when no answer may hold up the gateway's stop any more.</param>
/// <param name="logger">Hears of unexpected faults.</param>
internal sealed partial class ApiGuard(ServingTime serving, ILogger<ApiGuard> logger)
{
    private static readonly TimeSpan ShortWait = TimeSpan.FromSeconds(1);

    /// <summary>The endpoint, guarded. Its token is cancelled when the client goes away or the gateway stops.</summary>
    /// <param name="endpoint">Answers a request.</param>
    /// <param name="form">How errors are written.</param>
    public RequestDelegate Guard(Func<HttpContext, CancellationToken, Task> endpoint, IErrorForm? form = null) =>
        context => RunAsync(context, endpoint, form ?? OpenAIErrorForm.Instance);

    private async Task RunAsync(HttpContext context, Func<HttpContext, CancellationToken, Task> endpoint, IErrorForm form)
    {
        RequestId.Set(context);
        context.Features.Set(form);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, serving.Ended);
        try
        {
            await endpoint(context, ending.Token);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client went away: nobody is left to tell.
        }
        catch (Exception exception)
        {
            await TellAsync(context, Translate(exception, context));
        }
    }

    private static async Task TellAsync(HttpContext context, ApiException error)
    {
        // An endpoint may have set another one.
        var form = context.Features.GetRequiredFeature<IErrorForm>();
        if (!context.Response.HasStarted)
        {
            var drains = error.Status == StatusCodes.Status413PayloadTooLarge;
            if (drains) context.Response.Headers.Connection = "close";
            await JsonAnswer.WriteErrorAsync(context.Response, error, form, context.RequestAborted);
            if (!drains) return;
            await context.Response.CompleteAsync();
            await RequestBody.DrainAsync(context, context.RequestAborted);
            return;
        }

        using var stream = new JsonStream(context.Response, form.IsLine);
        await stream.WriteAsync(
            (form, error, context.TraceIdentifier), static (json, told) => told.form.WriteEvent(json, told.error, told.TraceIdentifier),
            context.RequestAborted, form.EventName);
    }

    /// <summary>What a fault means for a client; one that nobody expected is logged.</summary>
    /// <param name="exception">The fault.</param>
    /// <param name="context">The request.</param>
    public ApiException Translate(Exception exception, HttpContext context)
    {
        switch (exception)
        {
            case ApiException error:
                return error;
            case GenerationException error:
                return Translate(error);
            case BadHttpRequestException error:
                return new ApiException(error.StatusCode, "The request is not valid HTTP.");
            case OperationCanceledException when serving.Ended.IsCancellationRequested:
                return new ApiException(
                    StatusCodes.Status503ServiceUnavailable, "The gateway is stopping.", retryAfter: ShortWait);
            default:
                Log.Unexpected(logger, context.Request.Method, context.Request.Path, context.TraceIdentifier, exception);
                return new ApiException(
                    StatusCodes.Status500InternalServerError, "The gateway failed to answer; its log says why.", code: "internal_error");
        }
    }

    private static ApiException Translate(GenerationException error) => error.Error switch
    {
        GenerationError.Invalid => ApiException.Invalid(param: null, error.Message),
        GenerationError.Overloaded => new ApiException(
            StatusCodes.Status429TooManyRequests, error.Message, code: "rate_limit_exceeded", retryAfter: error.RetryAfter ?? ShortWait),
        GenerationError.Expired => new ApiException(StatusCodes.Status504GatewayTimeout, error.Message, "timeout", "timeout"),
        _ => new ApiException(
            StatusCodes.Status503ServiceUnavailable, error.Message, code: "unavailable", retryAfter: error.RetryAfter ?? ShortWait),
    };

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Error, "{Method} {Path} (request {Id}) failed unexpectedly")]
        public static partial void Unexpected(ILogger logger, string method, string path, string id, Exception exception);
    }
}
