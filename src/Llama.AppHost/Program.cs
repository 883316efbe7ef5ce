using System.Runtime.InteropServices;
using Llama.AppHost;
using Llama.Grains.Hosting;
using Llama.Grains.Settings;
using Llama.Model.Machine;

SettingsResult<AppHostOptions> settings = SettingsReader.Read<AppHostOptions>(args);
if (settings.Options is not { } options)
    return settings.ExitCode;

AppHostConsole console = AppHostConsole.ForThisProcess(options.Verbose);
var stopping = new CancellationTokenSource();
ParentWatch.Start(stopping.Cancel);
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);

try
{
    Descriptors.Demand();
    OwnThread.Demand(computing: 0);
    return await new ClusterSupervisor(options, console, TimeProvider.System).RunAsync(stopping.Token);
}
#pragma warning disable CA1031 // Whatever it is, the user is told, and the runtime need not abort the process.
catch (Exception exception)
#pragma warning restore CA1031
{
    return ProgramFault.Tell("Llama.AppHost", exception);
}

void Stop(PosixSignalContext signal)
{
    // Handled here: the default would end this process before its children.
    signal.Cancel = true;
    if (stopping.IsCancellationRequested)
        return;
    console.Say("Stopping.");
    stopping.Cancel();
}
