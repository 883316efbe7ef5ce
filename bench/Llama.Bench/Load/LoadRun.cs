using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace Llama.Bench.Load;

/// <summary>Sends all requests, in the closed or the open loop, and counts while it does.</summary>
internal sealed class LoadRun(LoadClient client, LoadOptions options)
{
    private readonly ConcurrentBag<RequestResult> results = [];
    private readonly Stopwatch watch = new();
    private int begun;
    private int tokens;
    private int failed;

    /// <summary>What came back so far.</summary>
    public IReadOnlyCollection<RequestResult> Results => results;

    /// <summary>Time since the first request.</summary>
    public TimeSpan Elapsed => watch.Elapsed;

    /// <summary>Where it is, in a line.</summary>
    public string Progress
    {
        get
        {
            int done = results.Count;
            double seconds = Math.Max(watch.Elapsed.TotalSeconds, 1e-3);
            int inFlight = Math.Min(begun, options.Requests) - done;
            return string.Create(
                CultureInfo.InvariantCulture,
                $"{seconds,6:F0} s: {done} of {options.Requests} done, {inFlight} in flight, {failed} failed, "
                + $"{tokens / seconds:F1} tokens/s");
        }
    }

    /// <summary>Sends the requests and waits for their answers.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        watch.Start();
        Task sending = options.Rate is { } rate
            ? SendAtAsync(Arrivals(rate, options.Requests, options.Seed), stopping)
            : Task.WhenAll(Enumerable.Range(0, Math.Min(options.Clients, options.Requests)).Select(_ => ClientAsync(stopping)));
        await sending.ConfigureAwait(false);
        watch.Stop();
    }

    /// <summary>Times of a Poisson process: independent gaps, exponentially distributed.</summary>
    /// <param name="rate">Arrivals a second.</param>
    /// <param name="count">How many.</param>
    /// <param name="seed">The seed.</param>
    public static IEnumerable<TimeSpan> Arrivals(double rate, int count, int seed)
    {
        var random = new Random(seed);
        double seconds = 0;
        for (int i = 0; i < count; i++)
        {
            yield return TimeSpan.FromSeconds(seconds);
            seconds -= Math.Log(1 - random.NextDouble()) / rate;
        }
    }

    private async Task ClientAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested && Interlocked.Increment(ref begun) is var number && number <= options.Requests)
            await SendAsync(number - 1, stopping).ConfigureAwait(false);
    }

    private async Task SendAtAsync(IEnumerable<TimeSpan> arrivals, CancellationToken stopping)
    {
        var sent = new List<Task>();
        foreach (TimeSpan arrival in arrivals)
        {
            TimeSpan wait = arrival - watch.Elapsed;
            if (wait > TimeSpan.Zero) await Task.Delay(wait, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stopping.IsCancellationRequested) break;
            sent.Add(SendAsync(Interlocked.Increment(ref begun) - 1, stopping));
        }

        await Task.WhenAll(sent).ConfigureAwait(false);
    }

    private async Task SendAsync(int number, CancellationToken stopping)
    {
        RequestResult result = await client.SendAsync(number, count => Interlocked.Add(ref tokens, count), stopping).ConfigureAwait(false);
        if (result.Failure is not null) Interlocked.Increment(ref failed);
        results.Add(result);
    }
}
