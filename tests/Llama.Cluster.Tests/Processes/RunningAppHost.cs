using Llama.Bench.Processes;
using Llama.Cluster.Tests.Clients;
using Llama.Grains.Hosting;

namespace Llama.Cluster.Tests.Processes;

/// <summary>AppHost with the shipped model, in a session of its own, as a terminal gives it to a program in the foreground.</summary>
internal sealed class RunningAppHost : IDisposable
{
    private static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(60);

    private readonly RunningProgram program;

    private RunningAppHost(Func<ChildCommand, ChildCommand> around)
    {
        int port = FreePort.Choose();
        ChildCommand command = around(ChildCommand.ForProgram("apphost", "Llama.AppHost", [$"--port={port}"]));

        // A shell that starts something in the background has it ignore Ctrl-C, and so would all that is started from there.
        program = new RunningProgram(ProcessTable.IsThere
            ? command with { FileName = "setsid", Arguments = ["env", "--default-signal=INT", command.FileName, .. command.Arguments] }
            : command);
        Client = new GatewayClient(port);
    }

    /// <summary>A client of its gateway.</summary>
    public GatewayClient Client { get; }

    /// <summary>Its process id, and the number of its process group.</summary>
    public int Id => program.Id;

    /// <summary>What it has said so far.</summary>
    public string Output => program.Output;

    /// <summary>Starts it and waits until it says where to go.</summary>
    public static Task<RunningAppHost> StartAsync() => StartAsync(command => command);

    /// <summary>Starts it in some surroundings.</summary>
    /// <param name="around">Changes its command.</param>
    /// <param name="waits">Whether to wait until it says where to go.</param>
    public static async Task<RunningAppHost> StartAsync(Func<ChildCommand, ChildCommand> around, bool waits = true)
    {
        var appHost = new RunningAppHost(around);
        try
        {
            if (waits) await appHost.SaysAsync("Ctrl-C stops everything.", StartDeadline);
            return appHost;
        }
        catch
        {
            appHost.Dispose();
            throw;
        }
    }

    /// <summary>Waits until some line contains a text.</summary>
    public Task<TimeSpan> SaysAsync(string text, TimeSpan deadline) => program.SaysAsync(text, deadline);

    /// <summary>Waits until it has ended.</summary>
    /// <returns>Its exit code.</returns>
    public Task<int> ExitsAsync(TimeSpan deadline) => program.ExitsAsync(deadline);

    /// <summary>Kills it and its processes.</summary>
    public void Dispose()
    {
        program.Dispose();
        Client.Dispose();
        TestContext.Current.TestOutputHelper?.WriteLine(Output);
    }
}
