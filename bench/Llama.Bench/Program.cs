using Llama.Bench;
using Llama.Bench.Chaos;
using Llama.Bench.Fuzz;
using Llama.Bench.Link;
using Llama.Bench.Load;
using Llama.Bench.Run;
using Llama.Bench.Schemas;
using Llama.Bench.Simulate;
using Llama.Grains.Settings;
using Llama.Model.Checkpoints;

const string Usage = """
    Llama.Bench measures models and clusters. Commands:
      run      times prefill and decode in this process, beside what the machine can do
      link     times a step's way over a link and back
      load     sends requests to a server and measures throughput and latency
      grammar  times what answers that follow a grammar take
      schemas  runs a cluster on this machine, has it answer by random JSON schemas, kills silos meanwhile, and checks every answer
      simulate runs the scheduler in virtual time, for any number of stages and clients
      fuzz     sends mutated requests to a gateway, none of which may be answered with 500 or not at all
      chaos    runs a cluster on this machine, kills, hangs and cuts off silos, and checks every answer
    Llama.Bench COMMAND --help lists a command's options.
    """;

if (args is ["--help" or "-h" or "-?"])
{
    Console.WriteLine(Usage);
    return 0;
}

using var stopping = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stopping.Cancel();
};

try
{
    switch (args)
    {
        case ["run", .. var rest]:
            SettingsResult<RunOptions> run = SettingsReader.Read<RunOptions>(rest, args[0]);
            if (run.Options is { } test) await RunCommand.RunAsync(test, Console.Out);
            return run.ExitCode;
        case ["link", .. var rest]:
            SettingsResult<LinkOptions> link = SettingsReader.Read<LinkOptions>(rest, args[0]);
            if (link.Options is { } trips) await LinkCommand.RunAsync(trips, Console.Out, stopping.Token);
            return link.ExitCode;
        case ["load", .. var rest]:
            SettingsResult<LoadOptions> load = SettingsReader.Read<LoadOptions>(rest, args[0]);
            return load.Options is { } traffic
                ? await LoadCommand.RunAsync(traffic, Console.Out, Console.Error, stopping.Token)
                : load.ExitCode;
        case ["grammar", .. var rest]:
            SettingsResult<GrammarOptions> grammar = SettingsReader.Read<GrammarOptions>(rest, args[0]);
            if (grammar.Options is { } followed) GrammarCommand.Run(followed, Console.Out);
            return grammar.ExitCode;
        case ["schemas", .. var rest]:
            SettingsResult<SchemasOptions> schemas = SettingsReader.Read<SchemasOptions>(rest, args[0]);
            return schemas.Options is { } proof
                ? await SchemasCommand.RunAsync(proof, Console.Out, Console.Error, stopping.Token)
                : schemas.ExitCode;
        case ["simulate", .. var rest]:
            SettingsResult<SimulateOptions> simulate = SettingsReader.Read<SimulateOptions>(rest, args[0]);
            if (simulate.Options is { } simulation) SimulateCommand.Run(simulation, Console.Out, stopping.Token);
            return simulate.ExitCode;
        case ["fuzz", .. var rest]:
            SettingsResult<FuzzOptions> fuzz = SettingsReader.Read<FuzzOptions>(rest, args[0]);
            return fuzz.Options is { } mutation ? await FuzzCommand.RunAsync(mutation, Console.Out, Console.Error, stopping.Token) : fuzz.ExitCode;
        case ["chaos", .. var rest]:
            SettingsResult<ChaosOptions> chaos = SettingsReader.Read<ChaosOptions>(rest, args[0]);
            return chaos.Options is { } disturbance
                ? await ChaosCommand.RunAsync(disturbance, Console.Out, Console.Error, stopping.Token)
                : chaos.ExitCode;
        default:
            Console.Error.WriteLine(Usage);
            return SettingsReader.FaultExitCode;
    }
}
catch (Exception e) when (
    e is CheckpointException or IOException or UnauthorizedAccessException or HttpRequestException or InvalidDataException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("Stopped.");
    return 1;
}
