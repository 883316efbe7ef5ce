using Llama.AppHost;
using Llama.Grains.Hosting;
using Llama.Grains.Settings;
using Llama.Model.Machine;

SettingsResult<AppHostOptions> settings = SettingsReader.Read<AppHostOptions>(args);
if (settings.Options is not { } options)
    return settings.ExitCode;

try
{
    Descriptors.Demand();
    OwnThread.Demand(computing: 0);
    return await new ClusterHost(options, AppHostConsole.ForThisProcess(options.Verbose)).RunAsync();
}
#pragma warning disable CA1031 // Whatever it is, the user is told, and the runtime need not abort the process.
catch (Exception exception)
#pragma warning restore CA1031
{
    return ProgramFault.Tell("Llama.AppHost", exception);
}
