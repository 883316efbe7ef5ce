namespace Llama.Grains.Hosting;

/// <summary>How a process keeps being a silo or a client of a cluster: an inner host that ends or fails is followed by another.</summary>
internal static class Attempts
{
    /// <summary>Between two attempts, the first of which failed.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>Goes on until it is stopped. Only a wrong configuration never gets better, and is thrown.</summary>
    /// <param name="live">One attempt; it may end without a failure.</param>
    /// <param name="failed">Told of each failure.</param>
    /// <param name="time">Measures the pause.</param>
    /// <param name="stoppingToken">Stops it.</param>
    /// <exception cref="OrleansConfigurationException">An attempt can never work.</exception>
    public static async Task RepeatAsync(
        Func<CancellationToken, Task> live, Action<Exception> failed, TimeProvider time, CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await live(stoppingToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // Whatever keeps an attempt from working may be gone at the next.
            catch (Exception e) when (e is not OrleansConfigurationException)
#pragma warning restore CA1031
            {
                failed(e);
                await Task.Delay(Pause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }
}
