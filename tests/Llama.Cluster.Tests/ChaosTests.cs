using System.Text.Json;
using Llama.Bench.Chaos;
using Llama.Cluster.Tests.Processes;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>Less than half a minute, and an eventful one with every kind of disturbance, of what <c>Llama.Bench chaos</c> does for ten.</summary>
[Collection(TimedTests.Name)]
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
            Clients = 8,
            Seconds = 25,
            Events = 60,
            GatewayKills = 6,
            Seed = 14,
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
        Assert.Equal(
            ["Cut", "Hang", "HangAndKill", "Hold", "Join", "Kill", "KillGateway", "Leave"],
            report.GetProperty("events").EnumerateObject().Select(kind => kind.Name));
    }
}
