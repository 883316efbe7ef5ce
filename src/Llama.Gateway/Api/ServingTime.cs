namespace Llama.Gateway.Api;

/// <summary>
/// How long answers may take: until some time after the gateway was told to stop. From then on no new connection is accepted, and answers
/// that have begun are finished.
/// </summary>
internal sealed class ServingTime : IDisposable
{
    private readonly CancellationTokenSource ending = new();
    private readonly CancellationTokenRegistration stopping;

    /// <summary>Ends some time after the gateway is told to stop.</summary>
    /// <param name="lifetime">Tells when that is.</param>
    /// <param name="afterStop">The time.</param>
    public ServingTime(IHostApplicationLifetime lifetime, TimeSpan afterStop) =>
        stopping = lifetime.ApplicationStopping.Register(() => ending.CancelAfter(afterStop));

    /// <summary>Cancelled when no answer may go on.</summary>
    public CancellationToken Ended => ending.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        stopping.Dispose();
        ending.Dispose();
    }
}
