using System.Runtime.InteropServices;
using Llama.Grains.Directory;
using Llama.Grains.Hosting;
using Llama.Grains.Settings;
using Llama.Grains.Stages;
using Llama.Model.Checkpoints;
using Llama.Silo;
using Microsoft.Extensions.Logging;

SettingsResult<SiloOptions> settings = SettingsReader.Read<SiloOptions>(args);
if (settings.Options is not { } options)
    return settings.ExitCode;

using var stopping = new CancellationTokenSource();
ParentWatch.Start(stopping.Cancel);
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using ILoggerFactory logging = LoggerFactory.Create(builder => builder.AddProcessLogging(options.Verbose));
try
{
    SiloSettings siloSettings = SiloStart.Settings(options, logging.CreateLogger("Llama.Silo"));
    await using var silo = new SiloNode(siloSettings, logging.CreateLogger("Llama.Silo"));
    var gateway = new GatewayConnection(
        new Uri(options.Gateway), siloSettings.Identity, () => silo.Member, logging.CreateLogger("Llama.Silo"));
    await gateway.RunAsync(stopping.Token);
    return 0;
}
catch (Exception e) when (e is CheckpointException or IOException or InvalidDataException)
{
    await Console.Error.WriteLineAsync($"Llama.Silo cannot start: {e.Message}");
    return 1;
}

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stopping.Cancel();
}
