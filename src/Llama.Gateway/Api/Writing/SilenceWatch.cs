namespace Llama.Gateway.Api.Writing;

/// <summary>
/// Looks at a stream every <see cref="Silence"/>, and has it send a comment if nothing was sent since the last look, as while a lost stage is replaced or
/// the request waits for its turn. So neither a proxy nor a client takes the connection for dead. The first comment sends the headers: what
/// fails after it is told in the stream.
/// </summary>
internal sealed class SilenceWatch : IAsyncDisposable
{
    /// <summary>The time from one look to the next.</summary>
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource ending;
    private readonly PeriodicTimer timer;
    private readonly Task watching;

    /// <summary>Watches a stream until it is disposed of.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="reason">Says why nothing comes; null where that is not known.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public SilenceWatch(JsonStream stream, Func<string?> reason, TimeProvider time, CancellationToken cancellationToken)
    {
        ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timer = new PeriodicTimer(Silence, time);
        watching = WatchAsync(stream, reason, ending.Token);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync();
        timer.Dispose();
        await watching;
        ending.Dispose();
    }

    private async Task WatchAsync(JsonStream stream, Func<string?> reason, CancellationToken cancellationToken)
    {
        try
        {
            var seen = stream.Sent;
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                if (stream.Sent == seen) await stream.WriteCommentAsync(reason() ?? "waiting", cancellationToken);
                seen = stream.Sent;
            }
        }
        catch (Exception)
        {
            // The stream ends. Or its client is gone, which the next event finds out, too.
        }
    }
}
