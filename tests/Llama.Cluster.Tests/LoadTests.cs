using System.Text.Json;
using Llama.Bench.Load;
using Llama.Cluster.Tests.Processes;
using Llama.Tests;

namespace Llama.Cluster.Tests;

/// <summary>The load generator against a gateway.</summary>
public sealed class LoadTests
{
    private static readonly string Llama3 = Path.Combine(TestPaths.Fixtures, "llama-3", "meta");

    [Fact]
    public async Task Load_ClosedAndOpenLoop_CountEveryToken()
    {
        using TestCluster cluster = await TestCluster.StartAsync(Llama3, 0);
        var closed = new LoadOptions { Url = cluster.Client.Http.BaseAddress!.ToString(), Clients = 3, Requests = 10, Prompt = 20, Generate = 6 };
        foreach (LoadOptions options in (LoadOptions[])[closed, closed with { Clients = 1, Rate = 100, SharedPrefix = 16 }])
        {
            (int code, JsonElement report) = await RunAsync(options);

            Assert.Equal(0, code);
            Assert.True(report.GetProperty("tokenIds").GetBoolean());
            Assert.Equal(10, report.GetProperty("completed").GetInt32());
            Assert.Equal(200, report.GetProperty("promptTokens").GetInt32());
            Assert.Equal(60, report.GetProperty("generatedTokens").GetInt32());
            double firstToken = report.GetProperty("firstToken").GetProperty("p50").GetDouble();
            Assert.InRange(firstToken, 0.01, report.GetProperty("request").GetProperty("p50").GetDouble());
            Assert.Empty(report.GetProperty("errors").EnumerateObject());
        }
    }

    [Fact]
    public async Task Load_PromptsThatDoNotFit_FailWithTheServersWords()
    {
        using TestCluster cluster = await TestCluster.StartAsync(Llama3, 0);
        (int code, JsonElement report) = await RunAsync(
            new LoadOptions { Url = cluster.Client.Http.BaseAddress!.ToString(), Requests = 2, Prompt = 20_000, Generate = 6 });

        Assert.Equal(1, code);
        Assert.Equal(2, report.GetProperty("errors").GetProperty("HTTP 400").GetProperty("count").GetInt32());
    }

    private static async Task<(int Code, JsonElement Report)> RunAsync(LoadOptions options)
    {
        using var output = new StringWriter();
        int code = await LoadCommand.RunAsync(options with { Json = true }, output, TextWriter.Null, TestContext.Current.CancellationToken);
        return (code, JsonElement.Parse(output.ToString()));
    }
}
