using System.Net.Sockets;
using Llama.Gateway;
using Llama.Grains.Hosting;
using Llama.Grains.Links;
using Llama.Grains.Settings;
using Llama.Model.Machine;

SettingsResult<GatewayOptions> settings = SettingsReader.Read<GatewayOptions>(args);
if (settings.Options is not { } options)
    return settings.ExitCode;

InlineSockets.Enable();
try
{
    Descriptors.Demand();
    OwnThread.Demand(options.ServesAlone ? options.Threads : 0);
    await GatewayHost.RunAsync(options);
    return 0;
}
catch (SocketException e)
{
    return ProgramFault.Tell("Llama.Gateway", new IOException($"Cannot listen on {options.Host}, port {options.Port}: {e.Message}", e));
}
#pragma warning disable CA1031 // Whatever it is, the user is told, and the runtime need not abort the process.
catch (Exception e)
#pragma warning restore CA1031
{
    return ProgramFault.Tell("Llama.Gateway", e);
}
