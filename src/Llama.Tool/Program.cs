using Llama.Grains.Settings;
using Llama.Model.Checkpoints;
using Llama.Tool;

const string Usage = """
    llama (Llama.Tool) works on checkpoints, and prepares machines for a cluster. Commands:
      convert  turns a checkpoint into a GGUF file
      copy     brings some layers of a checkpoint to a machine
      make     writes a GGUF file of random weights in the shape of a released model
      certify  makes certificates for TLS
    llama COMMAND --help lists a command's options.
    """;

using var stopping = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stopping.Cancel();
};

switch (args)
{
    case ["--help" or "-h" or "-?"]:
        Console.WriteLine(Usage);
        return 0;
    case ["convert", .. var rest]:
        return Run<ConvertOptions>(rest, ConvertCommand.Run, "Stopped; no file is left.");
    case ["copy", .. var rest]:
        return Run<CopyOptions>(rest, CopyCommand.Run, "Interrupted; the same command goes on from here.");
    case ["make", .. var rest]:
        return Run<MakeOptions>(rest, MakeCommand.Run, "Stopped; no file is left.");
    case ["certify", .. var rest]:
        return CertifyCommand.Run(rest, Console.Out, Console.Error);
    default:
        Console.Error.WriteLine(Usage);
        return SettingsReader.FaultExitCode;
}

int Run<T>(string[] arguments, Action<T, ProgressDisplay, CancellationToken> command, string interrupted)
    where T : class, new()
{
    SettingsResult<T> settings = SettingsReader.Read<T>(arguments);
    if (settings.Options is not { } options) return settings.ExitCode;
    try
    {
        command(options, ProgressDisplay.ForThisProcess(), stopping.Token);
        return 0;
    }
    catch (OperationCanceledException)
    {
        Console.Error.WriteLine(interrupted);
    }
    catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException or InvalidDataException)
    {
        Console.Error.WriteLine(e.Message);
    }

    return 1;
}
