using System.Net.Sockets;
using Llama.Gateway;
using Llama.Grains.Links;
using Llama.Grains.Settings;
using Llama.Model.Checkpoints;

SettingsResult<GatewayOptions> settings = SettingsReader.Read<GatewayOptions>(args);
if (settings.Options is not { } options)
    return settings.ExitCode;

InlineSockets.Enable();
try
{
    await GatewayHost.RunAsync(options);
    return 0;
}
catch (SocketException e)
{
    await Console.Error.WriteLineAsync($"Llama.Gateway cannot start: Cannot listen on {options.Host}, port {options.Port}: {e.Message}");
    return 1;
}
catch (Exception e) when (e is CheckpointException or IOException or InvalidDataException or FormatException or ArgumentException)
{
    await Console.Error.WriteLineAsync($"Llama.Gateway cannot start: {e.Message}");
    return 1;
}
