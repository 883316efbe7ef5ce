using System.Text.Json;
using Llama.Bench.Chaos;
using Llama.Cluster.Tests.Processes;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Three quarters of a minute of what <c>Llama.Bench chaos</c> does for ten.</summary>
public sealed class ChaosTests
{
    public ChaosTests() => Assert.SkipUnless(ProcessTable.IsThere, "needs signals and /proc");

    [Fact]
    public async Task Chaos_SilosAndGatewayDisturbed_EveryAnswerIsTheUndisturbedOne()
    {
        var options = new ChaosOptions
        {
            Model = TestPaths.TinyStories,
            Silos = 2,
            Clients = 4,
            Seconds = 45,
            Events = 30,
            GatewayKills = 4,
            Seed = 5,
            Json = true,
        };
        using var output = new StringWriter();
        int code = await ChaosCommand.RunAsync(options, output, TextWriter.Null, TestContext.Current.CancellationToken);

        JsonElement report = JsonElement.Parse(output.ToString());
        TestContext.Current.TestOutputHelper?.WriteLine(output.ToString());
        Assert.Empty(report.GetProperty("faults").EnumerateArray().Select(fault => fault.GetString()));
        Assert.Equal(0, code);
        Assert.True(report.GetProperty("answered").GetInt32() > 100);
        Assert.True(report.GetProperty("events").EnumerateObject().Sum(kind => kind.Value.GetInt32()) >= 10);
        Assert.True(report.GetProperty("events").GetProperty("KillGateway").GetInt32() >= 1);
    }
}
