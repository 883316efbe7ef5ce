using Llama.Grains.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Metadata;
using Orleans.Runtime.Hosting;

namespace Llama.Grains.Hosting;

/// <summary>The host of one incarnation: built, started once, ended once.</summary>
internal sealed partial class InnerSilo : IFatalErrorHandler
{
    /// <summary>Joining may take Orleans five minutes (ClusterMembershipOptions.MaxJoinAttemptTime).</summary>
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(5.5);

    /// <summary>What the stop of a silo in good health may take before it is hurried.</summary>
    private static readonly TimeSpan GracefulLimit = TimeSpan.FromSeconds(3);

    /// <summary>What the end of a silo that is dead to the cluster may take, or of one that is hurried.</summary>
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(3);

    private readonly TaskCompletionSource<string> died = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IHost host;
    private readonly ILogger logger;
    private Task? starting;

    /// <summary>Builds the host.</summary>
    /// <param name="settings">What the process is.</param>
    /// <param name="loggers">The process's loggers.</param>
    /// <param name="dialler">Dials for the silo.</param>
    /// <param name="siloPort">The port for silos.</param>
    /// <param name="clientPort">The port for clients, if any.</param>
    /// <exception cref="OrleansConfigurationException">A silo cannot be made of these settings, now or ever.</exception>
    public InnerSilo(
        OrleansSiloSettings settings, ILoggerFactory loggers, ClusterDialler dialler, ClusterPort siloPort, ClusterPort? clientPort)
    {
        logger = loggers.CreateLogger<InnerSilo>();
        host = InnerHost.Build(settings.Configuration, loggers, builder => builder.UseOrleans(silo =>
        {
            ClusterTransport.UseForSilo(silo.Services, dialler, clientPort is null ? [siloPort] : [siloPort, clientPort]);
            silo.Services.AddSingleton<IFatalErrorHandler>(this);
            silo.Services.AddSingleton<IGrainPropertiesProvider>(new SiloProperties(settings.Role, settings.Version));
            silo.Services.AddPlacementDirector<NamedSiloPlacement, NamedSiloDirector>();
            silo.Services.AddPlacementDirector<RolePlacement, RoleDirector>(ServiceLifetime.Transient);
            silo.AddGrainDirectory(ProcessLocalDirectory.Name, (_, _) => new ProcessLocalDirectory());
            silo.Configure<SiloOptions>(options => options.SiloName = settings.Name);
            silo.Configure<EndpointOptions>(options => SetEndPoints(options, settings, siloPort, clientPort));
            silo.Configure<ClusterMembershipOptions>(SetFailureDetection);
            silo.Configure<SiloMessagingOptions>(options => options.ResponseTimeout = settings.ResponseTimeout);

            // A cluster has hundreds of grains; the default of a million costs 18 MB a start.
            silo.Configure<GrainDirectoryOptions>(options => options.CacheSize = 10_000);
            if (Instruments.Spans.HasListeners()) silo.AddActivityPropagation();
            settings.Configure(silo);
        }));
    }

    /// <summary>Ends, with the reason, when the cluster has declared the silo dead, or Orleans cannot go on.</summary>
    public Task<string> Died => died.Task;

    /// <summary>Services of the host.</summary>
    public IServiceProvider Services => host.Services;

    /// <summary>Joins the cluster.</summary>
    /// <exception cref="SiloUnavailableException">It died before it was active.</exception>
    /// <exception cref="TimeoutException">It did not become active in time.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        starting = host.StartAsync(cancellationToken);
        Task first = await Task.WhenAny(starting, Died).WaitAsync(StartLimit, cancellationToken).ConfigureAwait(false);
        if (first == Died) throw new SiloUnavailableException(await Died.ConfigureAwait(false));
        await starting.ConfigureAwait(false);
    }

    /// <summary>
    /// Leaves the cluster in good order, or just ends what runs; a start must have been cancelled before. A host that does not end in time
    /// is left behind: it holds no port, and nobody calls it any more.
    /// </summary>
    /// <param name="graceful">Whether the silo is still a member and the others should be told.</param>
    public async Task EndAsync(bool graceful)
    {
        try
        {
            await Task.Run(() => EndCoreAsync(graceful)).WaitAsync(graceful ? GracefulLimit + EndLimit : EndLimit).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            Log.LeftBehind(logger);
        }
    }

    /// <inheritdoc/>
    bool IFatalErrorHandler.IsUnexpected(Exception exception) => true;

    /// <summary>Orleans' own handler ends the process. This one returns at once: it is called in the midst of Orleans' work.</summary>
    void IFatalErrorHandler.OnFatalException(object? sender, string? context, Exception? exception) =>
        died.TrySetResult(exception is null ? context ?? "unknown" : $"{context}: {exception.Message}");

    private static void SetEndPoints(EndpointOptions options, OrleansSiloSettings settings, ClusterPort siloPort, ClusterPort? clientPort)
    {
        options.AdvertisedIPAddress = settings.AdvertisedAddress;
        options.SiloPort = siloPort.EndPoint.Port;
        options.SiloListeningEndpoint = siloPort.EndPoint;
        options.GatewayPort = clientPort?.EndPoint.Port ?? 0;
        options.GatewayListeningEndpoint = clientPort?.EndPoint;
    }

    /// <summary>A silo that is gone is declared dead in 1 to 3 s, one that hangs in 3 s; half of that killed healthy silos on busy machines.</summary>
    private static void SetFailureDetection(ClusterMembershipOptions options)
    {
        options.ProbeTimeout = TimeSpan.FromSeconds(1);
        options.MaxProbeTimeout = TimeSpan.FromSeconds(1);
        options.NumMissedProbesLimit = 3;
        options.NumVotesForDeathDeclaration = 1;
        options.TableRefreshTimeout = TimeSpan.FromSeconds(2);
        options.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(5);
    }

    private async Task EndCoreAsync(bool graceful)
    {
        using var hurry = new CancellationTokenSource();
        if (graceful) hurry.CancelAfter(GracefulLimit);
        else await hurry.CancelAsync().ConfigureAwait(false);

        // A start that went on beside the end would begin loops of Orleans that nobody ends any more.
        if (starting is not null) await starting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (starting?.IsCompletedSuccessfully == true)
        {
            await QuietlyAsync(() => host.StopAsync(hurry.Token)).ConfigureAwait(false);
            await QuietlyAsync(DisposeHostAsync).ConfigureAwait(false);
        }
        else
        {
            // A silo that has not started is not stopped by Orleans: it throws, and what runs of it already goes on; so its parts are told
            // to stop one by one. Afterwards it would count as stopping, and its disposal would wait for an end that never comes.
            ISiloLifecycleSubject parts = Services.GetRequiredService<ISiloLifecycleSubject>();
            await QuietlyAsync(DisposeHostAsync).ConfigureAwait(false);
            await QuietlyAsync(() => parts.OnStop(hurry.Token)).ConfigureAwait(false);
        }
    }

    private Task DisposeHostAsync() => ((IAsyncDisposable)host).DisposeAsync().AsTask();

    private async Task QuietlyAsync(Func<Task> step)
    {
        try
        {
            await step().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // What is wrong with a host that is thrown away matters to nobody.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.EndFailed(logger, e);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "The end of an incarnation takes too long; it is left behind")]
        public static partial void LeftBehind(ILogger logger);

        [LoggerMessage(2, LogLevel.Debug, "A step of an incarnation's end failed")]
        public static partial void EndFailed(ILogger logger, Exception exception);
    }
}
