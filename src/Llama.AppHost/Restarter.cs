using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;

namespace Llama.AppHost;

/// <summary>
/// Starts again what dies, after a pause that grows, and shows the last lines that it said. What is stopped from the dashboard stays
/// stopped. A gateway that dies before the cluster was ever ready has been told something that it cannot do: that ends the cluster.
/// </summary>
/// <param name="application">The application.</param>
/// <param name="console">Where to report.</param>
/// <param name="time">Measures how long a process ran, and waits between starts.</param>
/// <param name="progress">Knows whether the cluster has ever been ready.</param>
/// <param name="giveUp">Ends the cluster.</param>
internal sealed class Restarter(
    DistributedApplication application, AppHostConsole console, TimeProvider time, ClusterProgress progress, Action giveUp)
{
    /// <summary>The last lines of a process that has died may come a little later than the news of its end.</summary>
    private static readonly TimeSpan LastLines = TimeSpan.FromSeconds(0.3);

    /// <summary>The property of a resource that has the id of its process.</summary>
    private const string ProcessId = "executable.pid";

    /// <summary>Aspire's own resource, which Aspire looks after.</summary>
    private const string Dashboard = "aspire-dashboard";

    private readonly ResourceCommandService _commands = application.Services.GetRequiredService<ResourceCommandService>();
    private readonly ResourceLoggerService _logs = application.Services.GetRequiredService<ResourceLoggerService>();
    private readonly ConcurrentBag<Task> _work = [];

    /// <summary>Whether the gateway died before the cluster was ever ready.</summary>
    public bool GaveUp { get; private set; }

    /// <summary>Watches until the application stops; then ends all programs.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        var programs = new Dictionary<string, ProgramLife>();
        try
        {
            await foreach (ResourceEvent news in application.ResourceNotifications.WatchAsync(stopping).ConfigureAwait(false))
            {
                if (news.Resource is not ExecutableResource || news.Resource.Name == Dashboard)
                    continue;
                if (!programs.TryGetValue(news.ResourceId, out ProgramLife? life))
                {
                    programs.Add(news.ResourceId, life = new ProgramLife(news.Resource.Name, console, time));
                    bool isGateway = life.Name == ClusterResources.Gateway;
                    _work.Add(life.FollowAsync(_logs.WatchAsync(news.ResourceId), () => isGateway || progress.WasThere, stopping));
                }

                int? process = news.Snapshot.Properties.FirstOrDefault(one => one.Name == ProcessId)?.Value is { } id
                    ? Convert.ToInt32(id, CultureInfo.InvariantCulture)
                    : null;
                if (life.Take(news.Snapshot.State?.Text, news.Snapshot.ExitCode, process) is { } end)
                    _work.Add(MournAsync(news.ResourceId, life, end, stopping));
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The cluster stops.
        }

        await ProgramProcess.StopAsync([.. programs.Values.Where(life => life.Runs).Select(life => life.ProcessId).OfType<int>()])
            .ConfigureAwait(false);
        await Task.WhenAll(_work).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task MournAsync(string resource, ProgramLife life, ProgramEnd end, CancellationToken stopping)
    {
        await Task.Delay(LastLines, time, stopping).ConfigureAwait(false);
        if (life.Name == ClusterResources.Gateway && !progress.WasReady)
        {
            life.Report(end);
            GaveUp = true;
            giveUp();
            return;
        }

        // A silo that cannot start says the same as the gateway, which is given the time to say it.
        if (!progress.WasThere)
            await Task.Delay(end.Delay, time, stopping).ConfigureAwait(false);
        life.Report(end);
        console.Say(string.Create(CultureInfo.InvariantCulture, $"{life.Name} starts again in {end.Delay.TotalSeconds:0} s."));
        await Task.Delay(end.Delay, time, stopping).ConfigureAwait(false);
        ExecuteCommandResult started =
            await _commands.ExecuteCommandAsync(resource, KnownResourceCommands.StartCommand, stopping).ConfigureAwait(false);
        if (!started.Success)
            console.Say($"{life.Name} was not started again: {started.Message}", Tone.Warning);
    }
}
