using System.Globalization;
using System.Runtime.InteropServices;
using Llama.Grains.Hosting;
using Llama.Model.Machine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Llama.AppHost;

/// <summary>Runs a whole cluster on this machine until it is told to stop.</summary>
/// <param name="options">What the user wants.</param>
/// <param name="console">Where to report.</param>
internal sealed class ClusterHost(AppHostOptions options, AppHostConsole console)
{
    /// <summary>What Aspire takes without its dashboard, 241 (two for each assembly), and some to be left.</summary>
    private const int LeastDescriptors = 280;

    /// <summary>What it takes with the dashboard, 318 and connections of it and of each browser.</summary>
    private const int DashboardDescriptors = 512;

    /// <summary>Runs it.</summary>
    /// <returns>The exit code: 0 after a stop, 1 if the gateway could not start.</returns>
    /// <exception cref="FileNotFoundException">A program is not beside this one.</exception>
    /// <exception cref="IOException">The limit of descriptors is too low.</exception>
    public async Task<int> RunAsync()
    {
        DemandDescriptors();
        bool hasDashboard = !options.NoDashboard && HasDescriptorsForDashboard();
        int port = options.ChoosePort();
        console.Say($"Starting {Count(options.Gateways, "gateway")} and {Count(options.Silos, "silo")} with {Count(options.ThreadsOfSilo, "thread")} "
            + $"each for {options.Model}, at {options.UrlOf(port)}");
        using HttpClient client = GatewayClient.Create(options, port, console);
        DashboardAddress.Choose();
        IDistributedApplicationBuilder builder = DistributedApplication.CreateBuilder(new DistributedApplicationOptions
        {
            AllowUnsecuredTransport = true,
            DashboardApplicationName = "Llama cluster",
            DisableDashboard = !hasDashboard,
            TrustDeveloperCertificate = false,
        });

        // Otherwise it asks the package sources for a newer Aspire at every start, in a process of its own.
        builder.Configuration["ASPIRE_VERSION_CHECK_DISABLED"] = "true";
        // Otherwise this process ends before those that it has started.
        builder.Configuration["DcpPublisher:WaitForResourceCleanup"] = "true";
        builder.Services.AddLogging(ConfigureLogging);
        var progress = new ClusterProgress(client, console, TimeProvider.System, options.Tls);
        ClusterResources.Add(builder, options, port, client, progress);

        await using DistributedApplication application = builder.Build();
        if (hasDashboard)
            progress.Dashboard = DashboardAddress.LoginUrl(builder.Configuration["AppHost:BrowserToken"]);
        IHostApplicationLifetime lifetime = application.Services.GetRequiredService<IHostApplicationLifetime>();
        ParentWatch.Start(lifetime.StopApplication);
        using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            lifetime.StopApplication();
        });
        using CancellationTokenRegistration saying = lifetime.ApplicationStopping.Register(() => console.Say("Stopping."));
        return await RunAsync(application, progress, lifetime).ConfigureAwait(false);
    }

    private async Task<int> RunAsync(DistributedApplication application, ClusterProgress progress, IHostApplicationLifetime lifetime)
    {
        var restarter = new Restarter(application, console, TimeProvider.System, progress, lifetime.StopApplication);
        Task restarting = restarter.RunAsync(lifetime.ApplicationStopping);
        Task watching = progress.WatchAsync(lifetime.ApplicationStopping);
        try
        {
            await application.StartAsync(lifetime.ApplicationStopping).ConfigureAwait(false);
            await ((IHost)application).WaitForShutdownAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            await application.StopAsync(CancellationToken.None).ConfigureAwait(false);
        }

        await Task.WhenAll(restarting, watching).ConfigureAwait(false);
        if (!restarter.GaveUp)
            return 0;
        console.Say("The gateway could not start; everything is stopped.", Tone.Warning);
        return ProgramFault.ExitCode;
    }

    private bool HasDescriptorsForDashboard()
    {
        if (Descriptors.Limit is not { } limit || limit >= DashboardDescriptors)
            return true;
        console.Say(
            $"This process may have {limit} descriptors (ulimit -n): the dashboard, with which it needs {DashboardDescriptors}, stays off.",
            Tone.Warning);
        return false;
    }

    private static void DemandDescriptors()
    {
        if (Descriptors.Limit is { } limit && limit < LeastDescriptors)
        {
            throw new IOException(
                $"This process may have {limit} descriptors (ulimit -n); Aspire needs {LeastDescriptors}. Gateway and silos, started one by one,"
                + " need fewer.");
        }
    }

    private void ConfigureLogging(ILoggingBuilder logging)
    {
        logging.AddProcessLogging(options.Verbose, options.LogFormat);
        if (options.Verbose)
            return;
        logging.SetMinimumLevel(LogLevel.Warning)
            .AddFilter("Aspire.Hosting.Dcp", LogLevel.Error)
            .AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error)
            // A resource that is not healthy yet would be reported as a failure.
            .AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
    }

    private static string Count(int count, string what) =>
        string.Create(CultureInfo.InvariantCulture, $"{count} {what}{(count == 1 ? "" : "s")}");
}
