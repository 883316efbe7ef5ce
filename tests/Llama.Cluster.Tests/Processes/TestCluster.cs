using System.Globalization;
using System.Text.RegularExpressions;
using Llama.Bench.Processes;
using Llama.Cluster.Tests.Clients;
using Llama.Grains.Certificates;
using Llama.Grains.Hosting;

namespace Llama.Cluster.Tests.Processes;

/// <summary>A gateway and silos as processes, in whatever order a test starts them.</summary>
/// <param name="model">Folder of the checkpoint.</param>
/// <param name="silos">Silos that the gateway expects; 0 for a gateway that serves alone.</param>
/// <param name="store">Where the processes find each other; null for files in a folder of the cluster's own.</param>
/// <param name="tls">The folder with their certificate; null for a cluster without TLS.</param>
internal sealed class TestCluster(string model, int silos, string? store = null, string? tls = null) : IDisposable
{
    private readonly DirectoryInfo? folder = store is null ? Directory.CreateTempSubdirectory("llama-test-") : null;
    private ClusterPrograms? made;
    private readonly List<RunningProgram> programs = [];
    private readonly Dictionary<int, RunningProgram> silosByNumber = [];

    private ClusterPrograms Options => made ??= new()
    {
        Model = model,
        Silos = silos,
        Port = FreePort.Choose(),
        Cluster = Store,
        Tls = tls,
    };

    /// <summary>
    /// Where the processes find each other: a folder that the first of them makes, which so knows that no document was lost there and waits
    /// for none.
    /// </summary>
    public string Store => store ?? Path.Combine(folder!.FullName, "members");
    private GatewayClient? client;

    /// <summary>A client of the gateway.</summary>
    public GatewayClient Client => client ??= new GatewayClient(
        Options.Port, tls is null ? null : Path.Combine(tls, CertificateFolder.Authorities), Connect);

    /// <summary>Changes the command of each process that is started.</summary>
    public Func<ChildCommand, ChildCommand> Around { get; init; } = command => command;

    /// <summary>Connects the client to the gateway's port, where that is not of this machine's own network; null where it is.</summary>
    public Func<int, ValueTask<Stream>>? Connect { get; init; }

    /// <summary>The gateway, once it was started.</summary>
    public RunningProgram Gateway { get; private set; } = null!;

    /// <summary>The processes, in the order in which they were started.</summary>
    public IReadOnlyList<RunningProgram> Programs => programs;

    /// <summary>What the processes have said so far.</summary>
    public string Output => string.Concat(programs.Select(program => program.Output));

    /// <summary>Starts a gateway and silos, and waits until the model answers.</summary>
    /// <param name="model">Folder of the checkpoint.</param>
    /// <param name="silos">How many silos.</param>
    /// <param name="gateway">Further arguments of the gateway.</param>
    public static async Task<TestCluster> StartAsync(string model, int silos, params string[] gateway)
    {
        var cluster = new TestCluster(model, silos);
        cluster.StartGateway(gateway);
        for (int number = 1; number <= silos; number++) cluster.StartSilo(number);
        try
        {
            await cluster.ReadyAsync();
            return cluster;
        }
        catch
        {
            cluster.Dispose();
            throw;
        }
    }

    /// <summary>
    /// What the recovery of these many sequences from a loss or a move took, of the tokens × layers that all would take that was computed
    /// again. The cluster must have said so once, and which layers alone computed most of it.
    /// </summary>
    public double RecomputedPart(int sequences, int firstLayer, int endLayer, int layers)
    {
        Match said = Assert.Single(Regex.Matches(
            Output,
            $@"{sequences} sequences go on \d+\.\d\d s after the loss; (\d+) positions were computed again in layers {firstLayer} to"
            + $@" {endLayer} only, (\d+) in all layers"));
        double some = int.Parse(said.Groups[1].Value, CultureInfo.InvariantCulture);
        double whole = int.Parse(said.Groups[2].Value, CultureInfo.InvariantCulture);
        return ((some * (endLayer - firstLayer)) + (whole * layers)) / ((some + whole) * layers);
    }

    /// <summary>Starts the gateway.</summary>
    /// <param name="more">Further arguments, or others than usual.</param>
    public RunningProgram StartGateway(params string[] more) =>
        Gateway = Start(Options.Gateway(), more);

    /// <summary>Starts a front.</summary>
    /// <param name="number">Its number, from 1.</param>
    /// <param name="port">The port that it listens on.</param>
    /// <param name="more">Further arguments, or others than AppHost's.</param>
    public RunningProgram StartFront(int number, int port, params string[] more) =>
        Start(Options.Front(number, port), more);

    /// <summary>Starts a silo.</summary>
    /// <param name="number">Its number, from 1.</param>
    /// <param name="more">Further arguments, or others than usual.</param>
    public RunningProgram StartSilo(int number, params string[] more) => silosByNumber[number] = Start(Options.Silo(number), more);

    /// <summary>The silo of a number, as it was started last.</summary>
    public RunningProgram Silo(int number) => silosByNumber[number];

    /// <summary>Starts a silo that knows nothing of the cluster but a gateway's address.</summary>
    /// <param name="number">Its number, from 1.</param>
    /// <param name="gateway">The address; null for the gateway's own.</param>
    /// <param name="more">Further arguments, or others than usual.</param>
    public RunningProgram StartThroughGateway(int number, string? gateway = null, params string[] more)
    {
        ChildCommand command = Options.Silo(number);
        return Start(
            command with { Arguments = [.. command.Arguments.Where(argument => NameOf(argument) != "--cluster")] },
            [$"--gateway={gateway ?? Options.Url}", .. more]);
    }

    /// <summary>Starts a silo that has another model.</summary>
    /// <param name="number">Its number, from 1.</param>
    /// <param name="otherModel">The folder of its checkpoint.</param>
    /// <param name="more">Further arguments, or others than usual.</param>
    public RunningProgram StartStrangerSilo(int number, string otherModel, params string[] more) =>
        Start((Options with { Model = otherModel }).Silo(number), more);

    /// <summary>Waits until the model answers.</summary>
    public Task<TimeSpan> ReadyAsync() => Client.ReadyAsync(() => Output);

    /// <summary>Kills all processes. What they have said becomes part of the test's output, which is shown when it failed.</summary>
    public void Dispose()
    {
        foreach (RunningProgram program in programs) program.Dispose();
        client?.Dispose();
        folder?.Delete(recursive: true);
        TestContext.Current.TestOutputHelper?.WriteLine(Output);
    }

    private RunningProgram Start(ChildCommand command, string[] more)
    {
        IEnumerable<string> others = command.Arguments.ExceptBy(more.Select(NameOf), NameOf);
        var program = new RunningProgram(Around(command with { Arguments = [.. others, .. more] }));
        programs.Add(program);
        return program;
    }

    private static string NameOf(string argument) => argument.Split('=')[0];
}
