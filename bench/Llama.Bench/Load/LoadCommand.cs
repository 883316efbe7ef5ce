namespace Llama.Bench.Load;

/// <summary><c>Llama.Bench load</c>: a load generator.</summary>
internal static class LoadCommand
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(1);

    /// <summary>Runs the test, and says once a second how far it is.</summary>
    /// <param name="options">The test.</param>
    /// <param name="output">Takes the report.</param>
    /// <param name="progress">Takes the progress.</param>
    /// <param name="stopping">Ends the test; the report is of what was done until then.</param>
    /// <returns>The exit code: 1 if a request failed or was not sent.</returns>
    /// <exception cref="HttpRequestException">Nobody answers at the URL, or not as OpenAI's servers do.</exception>
    public static async Task<int> RunAsync(LoadOptions options, TextWriter output, TextWriter progress, CancellationToken stopping)
    {
        using LoadClient client = await LoadClient.ConnectAsync(options, stopping).ConfigureAwait(false);
        var run = new LoadRun(client, options);
        Task running = run.RunAsync(stopping);
        while (await Task.WhenAny(running, Task.Delay(ProgressInterval, CancellationToken.None)).ConfigureAwait(false) != running)
            await progress.WriteLineAsync(run.Progress).ConfigureAwait(false);
        await running.ConfigureAwait(false);
        await progress.WriteLineAsync(run.Progress).ConfigureAwait(false);

        LoadReport report = LoadReport.Of(run.Results, options.Requests, run.Elapsed, client.TakesTokens);
        await output.WriteAsync(options.Json ? report.ToJson() + "\n" : report.ToTable()).ConfigureAwait(false);
        return report.Completed == options.Requests ? 0 : 1;
    }
}
