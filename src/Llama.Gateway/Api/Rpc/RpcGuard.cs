using System.Globalization;
using Grpc.Core;
using Llama.Gateway.Api.Errors;

namespace Llama.Gateway.Api.Rpc;

/// <summary>Runs a call so that every fault becomes a status with what was found and what was expected, and none ends the process.</summary>
/// <param name="serving">Tells when no answer may hold up the gateway's stop any more.</param>
/// <param name="faults">Knows what a fault means for a client.</param>
internal sealed class RpcGuard(ServingTime serving, ApiGuard faults)
{
    private const string ErrorParam = "x-error-param";
    private const string ErrorCode = "x-error-code";

    /// <summary>By which gRPC's clients that repeat calls know when (gRFC A6).</summary>
    private const string Pushback = "grpc-retry-pushback-ms";

    /// <summary>Runs a call. Its token is cancelled when the client goes away, at the call's deadline, or when the gateway stops.</summary>
    /// <typeparam name="T">The answer.</typeparam>
    /// <param name="context">The call.</param>
    /// <param name="call">Answers it.</param>
    /// <exception cref="RpcException">The call is refused or has failed.</exception>
    public async Task<T> RunAsync<T>(ServerCallContext context, Func<HttpContext, CancellationToken, Task<T>> call)
    {
        HttpContext request = context.GetHttpContext();
        RequestId.Set(request);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, serving.Ended);
        try
        {
            return await call(request, ending.Token);
        }
        catch (Exception) when (context.CancellationToken.IsCancellationRequested)
        {
            // The client went away, or knows its deadline: nobody is left to tell.
            throw new RpcException(Status.DefaultCancelled);
        }
        catch (Exception exception)
        {
            throw Tell(faults.Translate(exception, request));
        }
    }

    /// <inheritdoc cref="RunAsync{T}"/>
    public Task RunAsync(ServerCallContext context, Func<HttpContext, CancellationToken, Task> call) => RunAsync(
        context,
        async (request, cancellationToken) =>
        {
            await call(request, cancellationToken);
            return true;
        });

    private static RpcException Tell(ApiException error)
    {
        var trailers = new Metadata();
        if (error.Param is { } param) trailers.Add(ErrorParam, param);
        if (error.Code is { } code) trailers.Add(ErrorCode, code);
        if (error.RetryAfter is { } wait) trailers.Add(Pushback, ((long)wait.TotalMilliseconds).ToString(CultureInfo.InvariantCulture));
        return new RpcException(new Status(CodeOf(error.Status), error.Message), trailers);
    }

    private static StatusCode CodeOf(int status) => status switch
    {
        StatusCodes.Status401Unauthorized => StatusCode.Unauthenticated,
        StatusCodes.Status403Forbidden => StatusCode.PermissionDenied,
        StatusCodes.Status404NotFound => StatusCode.NotFound,
        StatusCodes.Status409Conflict => StatusCode.FailedPrecondition,
        StatusCodes.Status413PayloadTooLarge or StatusCodes.Status429TooManyRequests => StatusCode.ResourceExhausted,
        StatusCodes.Status503ServiceUnavailable => StatusCode.Unavailable,
        StatusCodes.Status504GatewayTimeout => StatusCode.DeadlineExceeded,
        >= StatusCodes.Status500InternalServerError => StatusCode.Internal,
        _ => StatusCode.InvalidArgument,
    };
}
