using System.Runtime.InteropServices;
using Llama.Grains.Hosting;
using Llama.Grains.Links;
using Llama.Grains.Settings;
using Llama.Grains.Stages;
using Llama.Model.Machine;
using Llama.ServiceDefaults;
using Llama.Silo;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

SettingsResult<SiloOptions> settings = SettingsReader.Read<SiloOptions>(args);
if (settings.Options is not { } options)
    return settings.ExitCode;

InlineSockets.Enable();
using var stopping = new CancellationTokenSource();
ParentWatch.Start(stopping.Cancel);
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
try
{
    Descriptors.Demand();
    OwnThread.Demand(options.Threads);
    using var telemetry = ProcessTelemetry.Start("llama-silo", options.Name, isScraped: false);
    using ILoggerFactory logging = LoggerFactory.Create(builder =>
    {
        builder.AddProcessLogging(options.Verbose, options.LogFormat);
        telemetry.AddTo(builder);
    });
    ILogger logger = logging.CreateLogger("Llama.Silo");
    SiloSettings siloSettings = SiloStart.Settings(options, logger);
    await using var silo = new SiloNode(siloSettings, logger);
    await using var cluster = new ClusterMembership(
        options, SiloPlace.Of(HostPort.Parse(options.Listen).Host, options.AdvertisedHost, options.ClusterPort, clientPort: null), SiloRoles.Devices,
        siloSettings.Identity, logging, builder =>
        {
            builder.Services.AddSingleton(silo).AddSingleton(silo.Answers);
            if (options.OrleansDashboard && Descriptors.SufficeForTelemetry) OrleansDashboard.AddTo(builder);
        });
    await using var eviction = new PeerEviction(cluster.Silo, TimeProvider.System, logger);
    silo.OwnerLost += eviction.Suspect;
    await cluster.Silo.StartAsync(stopping.Token);
    Task stopped = Task.Delay(Timeout.Infinite, stopping.Token);
    Task ended = await Task.WhenAny(cluster.Silo.ExecuteTask!, stopped);
    if (ended != stopped) await ended;
    return 0;
}
#pragma warning disable CA1031 // Whatever it is, the user is told, and the runtime need not abort the process.
catch (Exception e)
#pragma warning restore CA1031
{
    return ProgramFault.Tell("Llama.Silo", e);
}

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stopping.Cancel();
}
