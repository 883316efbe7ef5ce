using Llama.Grains.Settings;
using Llama.Model.Checkpoints;
using Llama.Tool;
using Llama.Tool.Pull;

const string Usage = """
    llama (Llama.Tool) works on checkpoints, and prepares machines for a cluster. Commands:
      convert  turns a checkpoint into a GGUF file
      copy     brings some layers of a checkpoint to a machine
      pull     brings a model, or some layers of it, from a hub
      make     writes a GGUF file of random weights in the shape of a released model
      certify  makes certificates for TLS
      keys     add, list, revoke: the keys of the API
    llama COMMAND --help lists a command's options.
    """;

const string NothingChanged = "Stopped; nothing has changed.";

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
        return Run<ConvertOptions>(rest, ConvertCommand.Run, "Stopped; no file is left.", "convert");
    case ["copy", .. var rest]:
        return Run<CopyOptions>(rest, CopyCommand.Run, "Interrupted; the same command goes on from here.", "copy");
    case ["pull", [not '-', ..] name, .. var rest]:
        return Run<PullOptions>(["--name", name, .. rest], PullCommand.Run, "Interrupted; the same command goes on from here.", "pull");
    case ["pull", .. var rest]:
        return Run<PullOptions>(rest, PullCommand.Run, "Interrupted; the same command goes on from here.", "pull");
    case ["make", .. var rest]:
        return Run<MakeOptions>(rest, MakeCommand.Run, "Stopped; no file is left.", "make");
    case ["certify", .. var rest]:
        return CertifyCommand.Run(rest, Console.Out, Console.Error);
    case ["keys", "add", .. var rest]:
        return Run<AddKeyOptions>(rest, (options, _, _) => KeysCommand.Add(options, TimeProvider.System, Console.Out), NothingChanged, "keys", "add");
    case ["keys", "list", .. var rest]:
        return Run<KeyFileOptions>(rest, (options, _, _) => KeysCommand.List(options, Console.Out), NothingChanged, "keys", "list");
    case ["keys", "revoke", .. var rest]:
        return Run<RevokeKeyOptions>(rest, (options, _, _) => KeysCommand.Revoke(options, Console.Out), NothingChanged, "keys", "revoke");
    default:
        Console.Error.WriteLine(Usage);
        return SettingsReader.FaultExitCode;
}

int Run<T>(string[] arguments, Action<T, ProgressDisplay, CancellationToken> command, string interrupted, params string[] words)
    where T : class, new()
{
    SettingsResult<T> settings = SettingsReader.Read<T>(arguments, words);
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
