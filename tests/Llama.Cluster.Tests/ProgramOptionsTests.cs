using System.Net;
using System.Net.Sockets;
using Llama.Bench.Processes;
using Llama.Cluster.Tests.Processes;
using Llama.Grains.Hosting;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Options that a program cannot use: it says which, what it found and what is allowed, and does not start.</summary>
public sealed class ProgramOptionsTests
{
    private const int WrongOptions = 2;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    /// <summary>Aspire and others say in these variables where an Orleans cluster is.</summary>
    [Fact]
    public async Task Start_EnvironmentHasOrleansSection_ProgramsMeetThere()
    {
        Assert.SkipUnless(ProcessTable.IsThere, "needs env");
        using var folder = new TemporaryFolder();
        string[] variables =
        [
            "Orleans__ClusterId=second", "Orleans__ServiceId=second", "Orleans__Clustering__ProviderType=Files",
            "Orleans__Clustering__ServiceKey=members", $"ConnectionStrings__members={folder["root"]}",
        ];
        using var cluster = new TestCluster(TestPaths.TinyStories, 1)
        {
            Around = command => command with
            {
                FileName = "env",
                Arguments = [.. variables, command.FileName, .. command.Arguments.Where(one => !one.StartsWith("--cluster=", StringComparison.Ordinal))],
            },
        };

        cluster.StartGateway();
        cluster.StartSilo(1);
        await cluster.ReadyAsync();

        Assert.True(Directory.Exists(folder["root/second"]));
        Assert.False(Directory.Exists(cluster.Store));
    }

    [Theory]
    [InlineData("Llama.AppHost", "--port=99999", "--port: '99999' is not allowed; expected an integer from 0 to 65535 (command line)")]
    [InlineData("Llama.AppHost", "--silos=none", "--silos: 'none' is not allowed; expected an integer from 1 to 64 (command line)")]
    [InlineData(
        "Llama.AppHost", "--replicas=3",
        "--replicas: '3' is more than there are silos; expected at most 2, or more --silos (command line)")]
    [InlineData(
        "Llama.AppHost", "--ranges=0-1,1-2,2-6",
        "--ranges: '0-1,1-2,2-6' are more ranges than there are silos; expected at most 2")]
    [InlineData("Llama.AppHost", "--model=no/such/folder", "--model: 'no/such/folder' is not allowed; expected a folder or a .gguf file that exists")]
    [InlineData("Llama.AppHost", "--thread=1", "--thread: is unknown; did you mean --threads?")]
    [InlineData("Llama.Gateway", "--verbose", "--model: is missing; expected a folder or a .gguf file that exists")]
    [InlineData(
        "Llama.Gateway", "--host=127.0.0.1:80",
        "--host: '127.0.0.1:80' is not allowed; expected a host name or IP address like 127.0.0.1")]
    [InlineData("Llama.Gateway", "--host=0.0.0.0", "--host: '0.0.0.0' can be reached from other machines, which needs a cluster key")]
    [InlineData(
        "Llama.Gateway", "--host=example.org",
        "--host: 'example.org' can be reached from other machines, which needs a cluster key")]
    [InlineData("Llama.Gateway", "--cluster-key-file=no/such/file", "--cluster-key-file: 'no/such/file' cannot be read")]
    [InlineData(
        "Llama.Gateway", "--kv-memory=1KiB",
        "--kv-memory: '1KiB' is not allowed; expected a size in bytes or like 512MiB from 64KiB to 64TiB")]
    [InlineData("Llama.AppHost", "--kv-type=q4_0", "--kv-type: 'q4_0' is not allowed; expected one of f32, f16, bf16, q8_0 (command line)")]
    [InlineData("Llama.Silo", "--kv-type=q5_1", "--kv-type: 'q5_1' is not allowed; expected one of f32, f16, bf16, q8_0 (command line)")]
    [InlineData(
        "Llama.Gateway", "--chat-template=chatml",
        "--chat-template: 'chatml' is not allowed; expected one of llama2, codellama, codellama-70b, llama3, plain (command line)")]
    [InlineData("Llama.Silo", "--gateway=somewhere", "--gateway: 'somewhere' is not allowed; expected an http or https URL")]
    [InlineData(
        "Llama.Silo", "--listen=192.0.2.1:0",
        "--listen: '192.0.2.1:0' can be reached from other machines, which needs a cluster key")]
    [InlineData("Llama.Silo", "--listen=[::]:0", "--listen: '[::]:0' is every address of this machine; say with --advertise which one")]
    [InlineData(
        "Llama.Silo", "--name=a silo",
        "--name: 'a silo' is not allowed; expected 1 to 64 letters, digits, dots, dashes or underscores")]
    public async Task Start_WrongOption_IsNamedWithItsValueAndWhatIsAllowed(string program, string argument, string message)
    {
        using var process = new RunningProgram(ChildCommand.ForProgram("program", program, [argument]));

        Assert.Equal(WrongOptions, await process.ExitsAsync(Deadline));
        Assert.StartsWith($"program | {program} cannot start:\n", process.Output, StringComparison.Ordinal);
        Assert.Contains($"program |   {message}", process.Output);
        Assert.DoesNotContain("   at ", process.Output);
    }

    [Theory]
    [InlineData("--port={0}", "Failed to bind to address http://127.0.0.1:{0}: address already in use.")]
    [InlineData("--ranges=0-2,2-7", "--ranges: '0-2,2-7' ends at layer 7; the model has 6.")]
    [InlineData("--chat-template=llama3", "The chat template llama3 needs the special token <|start_header_id|>, which the tokenizer lacks.")]
    public async Task Start_GatewayCannotDoIt_SaysWhyInOneLine(string argument, string message)
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        string port = $"{((IPEndPoint)other.LocalEndpoint).Port}";

        using var gateway = new RunningProgram(ChildCommand.ForProgram(
            "gateway", "Llama.Gateway", [$"--model={TestPaths.TinyStories}", argument.Replace("{0}", port, StringComparison.Ordinal)]));

        Assert.Equal(1, await gateway.ExitsAsync(Deadline));
        Assert.Contains($"gateway | Llama.Gateway cannot start: {message.Replace("{0}", port, StringComparison.Ordinal)}", gateway.Output);
        Assert.DoesNotContain("   at ", gateway.Output);
    }

    [Fact]
    public async Task Start_GatewayAlone_SaysWhereItServes()
    {
        using var gateway = new RunningProgram(
            ChildCommand.ForProgram("gateway", "Llama.Gateway", [$"--model={TestPaths.TinyStories}", "--host=localhost", "--port=0"]));

        await gateway.SaysAsync("tinystories is served at http://127.0.0.1:", Deadline);
    }

    [Fact]
    public async Task Start_SiloWhoseNameAnotherHas_SaysWhyAndNothingElse()
    {
        using var cluster = new TestCluster(TestPaths.TinyStories, 1);
        await cluster.StartSilo(1).SaysAsync("is active", Deadline);

        RunningProgram second = cluster.StartSilo(2, "--name=silo-1");

        Assert.Equal(1, await second.ExitsAsync(Deadline));
        string[] faults = [.. second.Output.Split('\n').Where(line => line.Length > 0 && !line.Contains(" | info: ", StringComparison.Ordinal))];
        Assert.Matches(@"Llama\.Silo cannot start: The silo at .*, process \d+ on this machine, is a member under the name 'silo-1'", Assert.Single(faults));
    }

    [Fact]
    public async Task Start_GatewayOfAppHostCannotStart_EverythingEndsWithItsMessage()
    {
        using var empty = new TemporaryFolder();
        using var appHost = new RunningProgram(
            ChildCommand.ForProgram("apphost", "Llama.AppHost", [$"--model={empty.Path}", $"--port={FreePort.Choose()}"]));

        Assert.Equal(1, await appHost.ExitsAsync(Deadline));
        Assert.Contains($"gateway | Llama.Gateway cannot start: {empty.Path}: found no checkpoint", appHost.Output);
        Assert.DoesNotContain("silo-1  |", appHost.Output);
        Assert.DoesNotContain("silo-1 died", appHost.Output);
        Assert.EndsWith("The gateway could not start; everything is stopped.\n", appHost.Output, StringComparison.Ordinal);
    }
}
