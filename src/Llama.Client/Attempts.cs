using System.Diagnostics;
using System.Security.Authentication;
using Grpc.Core;

namespace Llama.Client;

/// <summary>
/// One request, which is sent until it is answered: what a gateway leaves unanswered because it is lost, cannot answer now or has too much to
/// do is asked again, of the next one where there is one.
/// </summary>
/// <param name="gateways">Who is asked.</param>
/// <param name="options">How long.</param>
/// <param name="key">The idempotency key by which a gateway knows that it is the same request; null without one.</param>
/// <param name="cancellationToken">Ends it.</param>
internal sealed class Attempts(Gateways gateways, LlamaClientOptions options, string? key, CancellationToken cancellationToken)
{
    /// <summary>The error of HTTP/2 with which a port of HTTP/1.1 answers (RFC 9113, section 7).</summary>
    private const long Http11Required = 0xd;

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(0.1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly DateTime? deadline = DateTime.UtcNow + options.Timeout;
    private long progress = Stopwatch.GetTimestamp();
    private int losses;

    /// <summary>What each call is made with.</summary>
    public CallOptions Call => new(
        key is null ? [] : new Metadata { { "idempotency-key", key } }, deadline, cancellationToken);

    /// <summary>The request made progress: a gateway that is lost from now on has the whole recovery time again.</summary>
    public void Progress() => (progress, losses) = (Stopwatch.GetTimestamp(), 0);

    /// <summary>Waits until it is worth asking again.</summary>
    /// <param name="asked">Who was asked.</param>
    /// <param name="fault">What came of it.</param>
    /// <exception cref="LlamaException">It is not worth it, or the time for it is over.</exception>
    /// <exception cref="OperationCanceledException">The request was cancelled.</exception>
    public async Task RecoverAsync(Gateway asked, RpcException fault)
    {
        cancellationToken.ThrowIfCancellationRequested();
        TimeSpan? told = LlamaException.RetryAfterOf(fault);
        bool isLost = IsLost(fault);
        if (!isLost && told is null) throw new LlamaException(MessageOf(asked, fault), fault);
        if (isLost) gateways.Leave(asked);
        losses++;
        TimeSpan pause = isLost && losses < gateways.Count ? TimeSpan.Zero : told ?? Backoff();
        if (Stopwatch.GetElapsedTime(progress) + pause >= options.RecoveryTimeout || DateTime.UtcNow + pause >= deadline)
            throw new LlamaException(MessageOf(asked, fault), fault);
        await Task.Delay(pause, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What a gateway said, or else what is known of its silence.</summary>
    private string MessageOf(Gateway asked, RpcException fault) => fault switch
    {
        { StatusCode: StatusCode.DeadlineExceeded, Status.Detail: "" } => $"The answer was not complete within the {options.Timeout} of Timeout.",
        _ when IsHttp1(fault) => $"{asked.Address} speaks HTTP/1.1 only; expected the port of --grpc-port.",
        { Status.DebugException: not null } => $"The gateway at {asked.Address} does not answer: {fault.Status.Detail}",
        _ => fault.Status.Detail,
    };

    private TimeSpan Backoff()
    {
        TimeSpan pause = FirstPause * Math.Pow(2, Math.Min(losses - gateways.Count, 10));
        return pause < LongestPause ? pause : LongestPause;
    }

    /// <summary>
    /// Whether the gateway, or the way to it, is at fault: it says so itself, or it is gone, which the status of a broken connection tells by
    /// its exception, and that of a stream without an end by none. A certificate that is not good is so the next time, too.
    /// </summary>
    private static bool IsLost(RpcException fault) =>
        (fault.StatusCode is StatusCode.Unavailable or StatusCode.Cancelled
            || (fault.Status.DebugException is not null && fault.StatusCode != StatusCode.DeadlineExceeded))
        && !IsHttp1(fault)
        && !Causes(fault).Any(cause => cause is AuthenticationException);

    /// <summary>Whether another port was asked than that of gRPC.</summary>
    private static bool IsHttp1(RpcException fault) => Causes(fault).Any(cause => cause is HttpProtocolException { ErrorCode: Http11Required });

    private static IEnumerable<Exception> Causes(RpcException fault)
    {
        for (Exception? cause = fault.Status.DebugException; cause is not null; cause = cause.InnerException) yield return cause;
    }
}
