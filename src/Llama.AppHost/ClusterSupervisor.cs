using Llama.Grains.Certificates;

namespace Llama.AppHost;

/// <summary>Runs a whole cluster on this machine until it is told to stop.</summary>
/// <param name="options">What the user wants.</param>
/// <param name="console">Where to report.</param>
/// <param name="time">For delays and durations.</param>
internal sealed class ClusterSupervisor(AppHostOptions options, AppHostConsole console, TimeProvider time)
{
    /// <summary>
    /// Starts the gateway and, once it listens, the silos, and keeps them running. A gateway that dies before the cluster was ever ready
    /// has been told something that it cannot do; that ends the cluster, and without silos, which would only say the same.
    /// </summary>
    /// <param name="stopping">Cancelled to stop; all processes have ended when the task completes.</param>
    /// <returns>The exit code: 0 after a stop, the gateway's if it could not start.</returns>
    /// <exception cref="FileNotFoundException">A program is not beside this one.</exception>
    public async Task<int> RunAsync(CancellationToken stopping)
    {
        int port = options.ChoosePort();
        ChildCommand gateway = ClusterCommands.Gateway(options, port);
        ChildCommand[] silos = [.. Enumerable.Range(1, options.Silos).Select(number => ClusterCommands.Silo(options, port, number))];
        console.Say($"Starting a gateway and {Count(silos.Length, "silo")} with {Count(options.ThreadsOfSilo, "thread")} "
            + $"each for {options.Model}");

        var handler = new SocketsHttpHandler { UseProxy = false };
        if (CertificateFolder.Load(options.Tls) is { } certificate)
        {
            handler.SslOptions = certificate.ForDialler(
                checkName: true, reason => console.Say($"The gateway is not trusted: {reason}", Tone.Warning));
        }

        using var client = new HttpClient(handler)
        {
            BaseAddress = new Uri(options.UrlOf(port)),
            Timeout = TimeSpan.FromSeconds(5),
        };
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var progress = new ClusterProgress(client, console, time, options.Tls);
        Task watching = progress.WatchAsync(ending.Token);
        Task<ChildExit?> serving = Supervise(gateway).RunAsync(() => progress.WasReady, ending.Token);
        await Task.WhenAny(serving, progress.Listening).ConfigureAwait(false);
        Task[] computing = serving.IsCompleted ? [] : [.. silos.Select(silo => Supervise(silo).RunAsync(() => true, ending.Token))];

        ChildExit? failure = await serving.ConfigureAwait(false);
        await ending.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll([watching, .. computing]).ConfigureAwait(false);
        if (failure is not { } exit)
            return 0;
        console.Say("The gateway could not start; everything is stopped.", Tone.Warning);
        return exit.Code == 0 ? 1 : exit.Code;
    }

    private ChildSupervisor Supervise(ChildCommand command) => new(command, console, time);

    private static string Count(int count, string what) => count == 1 ? $"1 {what}" : $"{count} {what}s";
}
